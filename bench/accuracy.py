"""Every label model on one set: labels that are right.

Every model of ours, alone and with the end model as `label fit` has it, and Snorkel's own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from bench.harness import Case, Figures, Result, Watch
from bench.product import DEFAULT, both_say, label_model_says, rightness

SEEDS = (0, 1, 2)

Votes = npt.NDArray[np.int8]
Set = tuple[Votes, npt.NDArray[np.int8], list[str], int]


def bbc(watch: Watch) -> Set:
    """The demo's articles and LFs."""
    from datahub.adapters.corpus_bbc import bbc_articles
    from datahub.core.labeling import apply
    from datahub.hub.registry import adapter
    from datahub.machine.installed import shared_folder

    rows = bbc_articles().with_row_index("row_key")
    folder = shared_folder("labeling_functions")
    lfs = adapter("lf_source", "folder")(folder.parent, folder).load().lfs
    votes = apply(rows, lfs, key="row_key", cardinality=5).votes
    classes = sorted(set(rows["topic"]))
    gold = np.array([classes.index(topic) for topic in rows["topic"]], dtype=np.int8)
    return votes, gold, rows["text"].to_list(), 5


def published(name: str) -> Callable[[Watch], Set]:
    """A published set: rows, gold and votes."""

    def read(watch: Watch) -> Set:
        import polars as pl

        assert watch.data is not None
        frame = pl.read_parquet(watch.data / f"{name}.parquet")
        votes = np.array(frame["weak_labels"].to_list(), dtype=np.int8)
        gold = frame["label"].to_numpy().astype(np.int8)
        return votes, gold, frame["text"].to_list(), int(gold.max()) + 1

    return read


def published_there(name: str) -> Callable[[Watch], str]:
    """Why a published set cannot be measured here."""

    def needs(watch: Watch) -> str:
        if watch.data is None:
            return "no folder of published sets: set BENCH_DATA"
        there = (watch.data / f"{name}.parquet").exists()
        return "" if there else f"{name}.parquet is not in BENCH_DATA"

    return needs


def accuracies(read: Callable[[Watch], Set]) -> Callable[[Watch], Figures | None]:
    """Every model of ours on one set, alone and with the end model, and Snorkel's own."""

    def side(watch: Watch) -> Figures:
        from datahub.core.trust import interval as wilson
        from datahub.hub.registry import REGISTRY

        votes, gold, texts, k = read(watch)
        voted = (votes != -1).any(axis=1)
        lines, means = [], {}
        for name in ["snorkel's own", *REGISTRY["label_model"]]:
            for label, right in trials(name, votes, gold, texts, k).items():
                mean = float(np.mean(right))
                low, high = wilson(round(mean * int(voted.sum())), int(voted.sum()))
                means[label] = 100 * mean
                spread = 100 * float(max(right) - min(right))
                interval = f"{100 * low:.1f}-{100 * high:.1f}"
                lines.append((label, f"{100 * mean:.1f}", interval, f"{spread:.1f}"))
        columns = ("model", "right, %", "95% interval", f"spread of {len(SEEDS)} seeds")
        rows = {"rows": len(votes), "rows_with_a_vote": int(voted.sum()), "lfs": votes.shape[1]}
        return {**rows, "right": means, "columns": columns, "table": lines}

    return side


def trials(
    name: str, votes: Votes, gold: npt.NDArray[np.int8], texts: list[str], k: int
) -> dict[str, list[float]]:
    """Shares of right labels on rows with a vote, a seed each; a tie of t classes is 1/t right."""
    found: dict[str, list[float]] = {}
    voted = (votes != -1).any(axis=1)
    for seed, soft in fits(name, votes, k):
        sides = {name: soft}
        if name != "snorkel's own":
            sides[f"{name} x end model"] = both_say(soft, texts, seed=seed)
        for label, says in sides.items():
            right = float(rightness(says[voted], gold[voted]).mean())
            found.setdefault(label, []).append(right)
    return found


def fits(name: str, votes: Votes, k: int) -> Iterator[tuple[int, npt.NDArray[np.float64]]]:
    """Soft labels by seed, as the product would fit them; Snorkel's own by its defaults."""
    for seed in SEEDS:
        if name != "snorkel's own":
            yield seed, label_model_says(name, votes, k, seed=seed)
            continue
        from snorkel.labeling.model import LabelModel

        own = LabelModel(cardinality=k, verbose=False)
        own.fit(votes.astype(np.int64), seed=seed, progress_bar=False)
        soft = own.predict_proba(votes.astype(np.int64))
        soft[(votes == -1).all(axis=1)] = np.nan
        yield seed, soft


def default_holds(result: Result) -> bool:
    """The default's labels against Snorkel's and against majority vote, on this one set."""
    right = result.figures["ours"]["right"]
    default = right[f"{DEFAULT} x end model"]
    return bool(default >= right["snorkel's own"] - 0.5 and default >= right["majority"] - 1)


def _accuracy_case(name: str, title: str, read: Callable[[Watch], Set], **more: Any) -> Case:
    return Case(
        f"accuracy_{name}",
        f"Labels that are right, of rows with a vote: {title}",
        accuracies(read),
        no_peer="Snorkel's own is a line of the table",
        goal="default x end model: at most 0.5 points below Snorkel's own, 1 below majority",
        met=default_holds,
        **more,
    )


CASES: tuple[Case, ...] = (
    _accuracy_case("bbc", "BBC News, 24 LFs", bbc),
    _accuracy_case(
        "youtube",
        "YouTube spam, 10 LFs",
        published("wrench_youtube"),
        needs=published_there("wrench_youtube"),
    ),
    _accuracy_case(
        "sms", "SMS spam, 73 LFs", published("wrench_sms"), needs=published_there("wrench_sms")
    ),
)
