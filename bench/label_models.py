"""The default label model against Snorkel's and majority vote: sets, halves, a grid, thresholds.

Published sets and halves of their LFs go through the label model and the end model, as `label
fit` has it; simulated votes and thresholds have no text, and go through the label model alone.
Snorkel's model is fed with pair counts, which gives its own figures to the bit. A tie of t classes
is 1/t right.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from bench.accuracy import published_there
from bench.harness import Case, Figures, Result, Watch
from bench.product import DEFAULT, both_say, label_model_says, rightness
from bench.vote_sets import SIX, Problem, grid, halves, published, thresholds

PEERS = ("snorkel", "majority", "dawid-skene")
MOST_PAIRS = 800  # LFs x classes beyond which Snorkel's model is not run here: it is slow

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Against:
    """The default against a peer on one problem, in points; `margin` is half the 95% interval."""

    problem: str
    source: str
    peer: str
    ours: float
    theirs: float
    margin: float

    @property
    def gap(self) -> float:
        """How much better the default is."""
        return self.ours - self.theirs

    @property
    def surely_worse(self) -> bool:
        """Beyond the paired interval and half a point."""
        return self.gap + self.margin < -0.5


def right_by(name: str, problem: Problem, *, end_model: bool) -> Floats:
    """How right a model's labels of rows with a vote are."""
    soft = label_model_says(name, problem.votes, problem.cardinality)
    if end_model:
        soft = both_say(soft, list(problem.texts))
    return rightness(soft[problem.covered], problem.truth[problem.covered])


def compared(
    problems: Iterable[Problem], *, peers: Sequence[str] = PEERS, end_model: bool
) -> list[Against]:
    """The default against each peer on each problem; peers are label models alone."""
    import torch  # noqa: F401  # where it is, Snorkel's training starts no process for each problem

    lines = []
    for problem in problems:
        ours = right_by(DEFAULT, problem, end_model=end_model)
        for peer in peers:
            size = problem.votes.shape[1] * problem.cardinality
            if peer == "snorkel" and (size > MOST_PAIRS or _votes_of(problem) < 3):
                continue
            theirs = right_by(peer, problem, end_model=False)
            gap = ours - theirs
            margin = 196 * float(gap.std()) / max(len(gap), 1) ** 0.5
            means = 100 * float(ours.mean()), 100 * float(theirs.mean())
            lines.append(Against(problem.name, problem.source, peer, *means, margin))
    return lines


def _votes_of(problem: Problem) -> int:
    return int((problem.votes != -1).any(axis=0).sum())


def summary(lines: Sequence[Against], *, by_source: bool) -> Figures:
    """A line a peer (and source): means, how often below, how often surely, the worst."""
    rows: list[tuple[Any, ...]] = []
    sources = sorted({line.source for line in lines}) if by_source else []
    for source in [*sources, "all"]:
        for peer in dict.fromkeys(line.peer for line in lines):
            some = [x for x in lines if x.peer == peer and source in (x.source, "all")]
            if some:
                rows.append((source, peer, *_line(some)))
    columns = ("set", "peer", "problems", "default, %", "peer, %", "below", "surely below")
    columns_of_worst = ("worst, points", "on")
    return {
        "columns": columns + columns_of_worst,
        "table": rows,
        "against": [vars(line) for line in lines],
    }


def _line(lines: Sequence[Against]) -> tuple[Any, ...]:
    worst = min(lines, key=lambda line: line.gap)
    ours, theirs = (
        float(np.mean([getattr(x, name) for x in lines])) for name in ("ours", "theirs")
    )
    below, surely = sum(x.gap < 0 for x in lines), sum(x.surely_worse for x in lines)
    means = f"{ours:.1f}", f"{theirs:.1f}"
    return len(lines), *means, below, surely, f"{worst.gap:+.1f}", worst.problem


def six(watch: Watch) -> Figures:
    """The six published sets, label model and end model."""
    assert watch.data is not None
    problems = [published(watch.data, name) for name in SIX]
    return summary(compared(problems, end_model=True), by_source=True)


def halves_of(name: str) -> Callable[[Watch], Figures]:
    """Random halves of one set's LFs, label model and end model."""

    def side(watch: Watch) -> Figures:
        assert watch.data is not None
        problems = halves(published(watch.data, name))
        lines = compared(problems, peers=PEERS[:2], end_model=True)
        return summary(lines, by_source=False)

    return side


def simulated_grid(watch: Watch) -> Figures:
    """The simulator's grid, label model alone."""
    return summary(compared(grid(), end_model=False), by_source=True)


def threshold_lfs(watch: Watch) -> Figures:
    """Threshold LFs on scikit-learn's data sets, label model alone."""
    return summary(compared(thresholds(), end_model=False), by_source=True)


def _lines(result: Result, peer: str) -> list[Against]:
    raw = result.figures["ours"]["against"]
    return [line for line in (Against(**one) for one in raw) if line.peer == peer]


def six_hold(result: Result) -> bool:
    """3 points above Snorkel on the mean; never 0.5 below it, or 1 below majority."""
    snorkel, majority = _lines(result, "snorkel"), _lines(result, "majority")
    mean = float(np.mean([line.gap for line in snorkel]))
    worst = min(line.gap for line in snorkel), min(line.gap for line in majority)
    return mean >= 3 and worst[0] >= -0.5 and worst[1] >= -1


def halves_hold(result: Result) -> bool:
    """The mean below neither, no half surely worse."""
    lines = [_lines(result, peer) for peer in PEERS[:2]]
    means = [float(np.mean([line.gap for line in some])) for some in lines]
    return min(means) >= 0 and not any(x.surely_worse for some in lines for x in some)


def no_collapse(result: Result) -> bool:
    """Nowhere 5 points below majority vote, and above it on the mean."""
    gaps = [line.gap for line in _lines(result, "majority")]
    return min(gaps) >= -5 and float(np.mean(gaps)) >= 0


def _there(watch: Watch) -> str:
    return next((why for why in (published_there(name)(watch) for name in SIX) if why), "")


_NO_PEER = "Snorkel's and majority vote are lines of the table"
_SIX = Case(
    "labels_six",
    "Labels that are right, six published sets",
    six,
    no_peer=_NO_PEER,
    goal="3 points above Snorkel on the mean, never 0.5 below it or 1 below majority",
    met=six_hold,
    needs=_there,
)
CASES: tuple[Case, ...] = (
    _SIX,
    *(
        replace(
            _SIX,
            name=f"labels_halves_{name}",
            title=f"Labels that are right, random halves of the LFs: {name}",
            ours=halves_of(name),
            goal="mean below neither, no half worse beyond its paired interval and half a point",
            met=halves_hold,
            needs=published_there(name),
            timeout=7200.0,
        )
        for name in SIX
    ),
    replace(
        _SIX,
        name="labels_grid",
        title="Labels that are right, simulated votes",
        ours=simulated_grid,
        goal="never 5 points below majority vote",
        met=no_collapse,
        needs=None,
    ),
    replace(
        _SIX,
        name="labels_thresholds",
        title="Labels that are right, threshold LFs on scikit-learn's data sets",
        ours=threshold_lfs,
        goal="never 5 points below majority vote",
        met=no_collapse,
        needs=None,
    ),
)
