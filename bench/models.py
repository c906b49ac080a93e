"""Label models.

Votes are made: independent LFs, coverage log-uniform in 1..30% as in published sets,
accuracy 60..95%. Both sides have them in memory as they take them (ours int8, Snorkel's
int64) before the clock starts, and its libraries imported. Where votes are stored, ours reads
them a block at a time and trains in a process of its own, whose start counts. Snorkel's model
runs 100 epochs, its own default, on both sides.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from bench.harness import Case, Figures, Result, Watch, peak_mb

SEED = 123
EPOCHS = 100
BLOCK = 100_000  # rows, as of a part

Votes = npt.NDArray[np.int8]


def made_votes(watch: Watch, n: int, m: int) -> Any:
    """The file of n rows of votes of m LFs, an LF a line, made where it is not there."""
    path = watch.scratch / f"votes_{n}_{m}.npy"
    if path.exists():
        return path
    rng = np.random.default_rng(0)
    truth = (rng.random(n) < 0.4).astype(np.int8)
    covered = np.exp(rng.uniform(np.log(0.01), np.log(0.3), m))
    accuracy = rng.uniform(0.6, 0.95, m)
    half = path.with_suffix(".half")
    votes = np.empty((m, n), dtype=np.int8)
    for lf in range(m):
        right = rng.random(n, dtype=np.float32) < accuracy[lf]
        column = np.where(right, truth, 1 - truth).astype(np.int8)
        column[rng.random(n, dtype=np.float32) >= covered[lf]] = -1
        votes[lf] = column
    with half.open("wb") as file:
        np.save(file, votes)
    half.rename(path)
    return path


def read_votes(watch: Watch, n: int, m: int) -> Votes:
    """Votes [n, m] in memory, an LF a contiguous column, as datahub reads them."""
    votes: Votes = np.load(made_votes(watch, n, m)).T
    return votes


def warm() -> None:
    """Import what Snorkel's model needs, and run its first step: seconds that are no work."""
    from snorkel.labeling.model import LabelModel

    tiny = np.array([[0, 1, 1], [1, 1, 0], [0, 0, -1]])
    LabelModel(cardinality=2, verbose=False).fit(tiny, n_epochs=2, seed=0, progress_bar=False)


def preparing(n: int, m: int) -> Callable[[Watch], Figures | None]:
    """Make the votes."""

    def prepare(watch: Watch) -> None:
        made_votes(watch, n, m)

    return prepare


def ours(n: int, m: int, name: str = "snorkel") -> Callable[[Watch], Figures | None]:
    """Fit and predict by one of our models."""

    def side(watch: Watch) -> Figures:
        model = our_model(name)
        before = peak_mb()
        votes = read_votes(watch, n, m)
        with watch.timed():
            fit = model.fit(votes, cardinality=2, seed=SEED)
            soft = model.predict(fit, votes)
        return {"checksum": checksum(soft), "votes_mb": votes.nbytes / 1e6, "libraries_mb": before}

    return side


class FileVotes:
    """Votes that are read from their file a block at a time, as `label fit` reads a commit's."""

    def __init__(self, path: Path) -> None:
        with path.open("rb") as file:
            np.lib.format.read_magic(file)  # type: ignore[no-untyped-call]
            self._lfs, self._rows = np.lib.format.read_array_header_1_0(file)[0]  # type: ignore[no-untyped-call]
            self._start = file.tell()
        self._path = path
        self.shape: tuple[int, ...] = (self._rows, self._lfs)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: slice | npt.NDArray[np.int64], /) -> Votes:
        if not isinstance(rows, slice):
            return np.concatenate([self[at : at + 1] for at in rows.tolist()])
        start, stop, _ = rows.indices(len(self))
        found = np.empty((stop - start, self._lfs), dtype=np.int8, order="F")
        with self._path.open("rb", buffering=0) as file:
            for lf in range(self._lfs):
                file.seek(self._start + lf * self._rows + start)
                found[:, lf] = np.frombuffer(file.read(stop - start), dtype=np.int8)
        return found


def ours_stored(n: int, m: int) -> Callable[[Watch], Figures | None]:
    """Fit and predict by Snorkel's model as a command does: torch and votes are elsewhere."""

    def side(watch: Watch) -> Figures:
        from datahub.hub.registry import adapter

        votes = FileVotes(made_votes(watch, n, m))
        model = adapter("label_model", "snorkel")(n_epochs=EPOCHS)
        with watch.timed():
            fit = model.fit(votes, cardinality=2, seed=SEED)
            soft = np.empty((n, 2))
            for start in range(0, n, BLOCK):
                soft[start : start + BLOCK] = model.predict(fit, votes[start : start + BLOCK])
        return {"checksum": checksum(soft)}

    return side


def snorkel(n: int, m: int) -> Callable[[Watch], Figures | None]:
    """Fit and predict by Snorkel's own model."""

    def side(watch: Watch) -> Figures:
        from snorkel.labeling.model import LabelModel

        warm()
        votes = np.ascontiguousarray(read_votes(watch, n, m)).astype(np.int64)
        with watch.timed():
            model = LabelModel(cardinality=2, verbose=False)
            model.fit(votes, n_epochs=EPOCHS, seed=SEED, progress_bar=False)
            soft = model.predict_proba(votes)
        soft[(votes == -1).all(axis=1)] = np.nan
        return {"checksum": checksum(soft), "votes_mb": votes.nbytes / 1e6}

    return side


def edited(n: int, m: int, name: str) -> Callable[[Watch], Figures | None]:
    """New probabilities after one LF of many has changed, its votes being there."""

    def side(watch: Watch) -> Figures:
        from datahub.core.paircounts import count

        model = our_model(name)
        votes = read_votes(watch, n, m)
        counts = count(votes, 2) if name == "snorkel" else None
        votes[:, m // 2] = np.where(votes[:, m // 2] == 1, np.int8(-1), votes[:, m // 2])
        with watch.timed():
            if counts is not None:
                counts.update(votes, [m // 2])
            fit = model.fit(votes, cardinality=2, seed=SEED, counts=counts)
            soft = model.predict(fit, votes)
        return {"checksum": checksum(soft)}

    return side


def our_model(name: str) -> Any:
    """One of our models, its libraries imported; Snorkel's with Snorkel's own epochs."""
    from datahub.hub.registry import adapter

    if name != "snorkel":
        return adapter("label_model", name)()
    warm()
    return adapter("label_model", name)(n_epochs=EPOCHS)


def checksum(soft: npt.NDArray[np.float64]) -> list[float]:
    """Mean and mean square of the second class's probabilities: what both sides must agree on."""
    second = soft[:, 1]
    known = second[~np.isnan(second)]
    return [float(known.mean()), float((known * known).mean())]


def equal(result: Result) -> bool:
    """Whether both sides found the same probabilities."""
    ours_, peer = (result.figures[side].get("checksum") for side in ("ours", "peer"))
    return peer is None or bool(np.allclose(ours_, peer, rtol=0, atol=1e-9))


def _fit_case(n: int, m: int, title: str, goal: str, met: Callable[[Result], bool]) -> Case:
    return Case(
        f"fit_predict_{n // 10**6}m_{m}",
        f"Snorkel's model, fit + predict, {title}",
        ours(n, m),
        snorkel(n, m),
        "Snorkel's LabelModel",
        prepare=preparing(n, m),
        goal=goal,
        met=met,
    )


def _default_case(n: int, m: int, title: str, times: int | None) -> Case:
    goal = "within 1 GB" if times is None else f"within 1 GB, at least {times}x fewer CPU-seconds"
    return Case(
        f"fit_predict_default_{n // 10**6}m_{m}",
        f"anchored (the default), fit + predict, {title}",
        ours(n, m, "anchored"),
        snorkel(n, m),
        "Snorkel's LabelModel",
        prepare=preparing(n, m),
        goal=goal,
        met=lambda result: (
            (result.peak_mb or 1e9) <= 1000 and (times is None or (result.ratio or 0) >= times)
        ),
    )


def _edit_case(name: str, title: str) -> Case:
    return Case(
        f"edit_one_lf_{name.replace('-', '_')}_10m_50",
        f"{title}: one of 50 LFs edited, new probabilities of 10M rows",
        edited(10_000_000, 50, name),
        no_peer="Snorkel has no way to refit after one LF; see the full fit",
        prepare=preparing(10_000_000, 50),
        goal="under 5 s beyond the LF itself",
        met=lambda result: result.seconds is not None and result.seconds < 5,
    )


CASES: tuple[Case, ...] = (
    _fit_case(1_000_000, 10, "1M x 10", "the same probabilities", equal),
    _fit_case(
        10_000_000,
        10,
        "10M x 10",
        "the same probabilities, at least 10x fewer CPU-seconds",
        lambda result: equal(result) and (result.ratio or 0) >= 10,
    ),
    replace(
        _fit_case(
            10_000_000,
            50,
            "10M x 50, votes stored, libraries not loaded",
            "the same probabilities, within 1 GB (probabilities 160 MB and libraries included)",
            lambda result: equal(result) and (result.peak_mb or 1e9) <= 1000,
        ),
        ours=ours_stored(10_000_000, 50),
    ),
    _default_case(1_000_000, 10, "1M x 10", None),
    _default_case(10_000_000, 10, "10M x 10", 10),
    _default_case(10_000_000, 50, "10M x 50", None),
    _edit_case("snorkel", "Snorkel's model"),
    _edit_case("dawid-skene", "dawid-skene"),
)
