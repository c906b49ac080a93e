"""Budget curves.

How right a pool of rows is after so many answers of people, by how the rows were chosen. Answers
are gold, the labeling is the product's own (its default label model, out-of-fold end model, answers
inform rows alike): ours asks what `review push` asks, its audit slice (20%) included, which teaches
nothing; random and entropy (of the label model) ask their rows, and all their answers teach. The
usual entropy is that of weak supervision: an answer settles its own row and nothing else. A row
no LF covers counts with the end model's guess, for all of them.

The recall of a queue is the share of wrong labels in its first tenth before any answer: of ours as
it is pushed (capped, no two alike), and of the rows by trust alone. What a perfect queue finds is 1
as long as a tenth of the labels or fewer are wrong.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from bench.accuracy import Set, bbc, published, published_there
from bench.harness import Case, Figures, Result, Watch
from bench.product import DEFAULT, end_model_says, label_model_says
from bench.triage_sets import half, made
from bench.vote_sets import SIX

BUDGETS = (0, 100, 200, 400, 800)
SEEDS = (0, 1, 2)
FIRST = 0.1  # of the rows, for the recall of the queue
COLUMNS = ("rows chosen by", *(f"right at {budget}, %" for budget in BUDGETS))
HOWS = ("datahub", "entropy", "entropy, the usual", "random")

Ints = npt.NDArray[np.int64]


class Pool:
    """A set with its votes, and what people have answered so far."""

    def __init__(self, found: Set, seed: int) -> None:
        from datahub.core.alike import words
        from datahub.core.features import Features
        from datahub.core.patterns import vote_patterns
        from datahub.hub.registry import adapter

        self.votes, gold, texts, self.k = found
        self.gold = gold.astype(np.int64)
        self.seed = seed
        self.features = Features.of_texts(texts)
        self.end_model = adapter("end_model", "sklearn")()
        self.pattern = vote_patterns(self.votes)[1]
        self.words = [words(text) for text in texts]
        self.soft = label_model_says(DEFAULT, self.votes, self.k, seed=seed)
        self.answered = np.zeros(len(self.gold), dtype=bool)
        self.audited = np.zeros(len(self.gold), dtype=bool)

    def judge(self, *, informs: bool) -> float:
        """Label all rows again; share of right ones."""
        from datahub.core.informing import cells, likeliest, training_labels, update_soft
        from datahub.core.labels import combine

        rows = np.flatnonzero(self.answered & ~self.audited & informs)
        answers = {int(row): int(self.gold[row]) for row in rows}
        lessons = training_labels(self.soft, answers)
        self.end = end_model_says(self.end_model, self.features, lessons, seed=self.seed)
        self.final, self.said = update_soft(
            combine(self.soft, self.end), cells(self.pattern, self.soft, self.end), answers
        )
        self.wrong = likeliest(self.final, self.end) != self.gold
        return float((self.answered | ~self.wrong).mean())

    def picked(self, how: str, count: int) -> tuple[Ints, Ints]:
        """Rows to ask next: those that teach, and the audit slice."""
        free = np.flatnonzero(~self.answered)
        numbers = np.random.default_rng([self.seed, int(self.answered.sum())])
        nothing = np.zeros(0, dtype=np.int64)
        if how == "random":
            return numbers.choice(free, size=min(count, len(free)), replace=False), nothing
        if how != "datahub":
            p = np.nan_to_num(self.soft, nan=1 / self.k)
            entropy = -(p * np.log(np.maximum(p, 1e-300))).sum(axis=1)
            order = np.lexsort((numbers.random(len(free)), -entropy[free].round(9)))
            return free[order[:count]], nothing
        asked = self.queue(count, audit_share=0.2)
        by_slice = [asked.filter(pl.col("slice") == name)["row"] for name in ("doubt", "audit")]
        return by_slice[0].to_numpy(), by_slice[1].to_numpy()

    def queue(self, count: int, *, audit_share: float) -> pl.DataFrame:
        """What `review push` would ask."""
        from datahub.core.triage import queue

        return queue(
            self.scores(),
            key="row",
            budget=count,
            seed=self.seed,
            audit_share=audit_share,
            leave_out=np.flatnonzero(self.answered).tolist(),
            words=lambda rows: {row: self.words[int(row)] for row in rows},
        )

    def scores(self) -> pl.DataFrame:
        """What `label fit` and `review pull` keep of each row."""
        from datahub.core.triage import score

        return score(
            pl.Series("row", np.arange(len(self.gold))),
            self.votes,
            self.soft,
            self.end,
            lfs=[f"lf{j}" for j in range(self.votes.shape[1])],
            classes=[f"c{y}" for y in range(self.k)],
            final=self.final,
            answers=self.said,
        )


def curves(read: Callable[[Watch], Set]) -> Callable[[Watch], Figures | None]:
    """All ways of choosing, several seeds each."""

    def side(watch: Watch) -> Figures:
        found = read(watch)
        right = {how: np.array([curve(found, how, seed) for seed in SEEDS]) for how in HOWS}
        recalls = {
            how: float(np.mean([recall(found, how, seed) for seed in SEEDS])) for how in HOWS
        }
        recalls["trust"] = float(np.mean([recall(found, "trust", seed) for seed in SEEDS]))
        table = [
            (
                how,
                *_shown(by_seed.mean(axis=0)),
                f"{100 * np.ptp(by_seed[:, 2]):.1f}",
                _two(recalls[how]),
            )
            for how, by_seed in right.items()
        ]
        table.append(("by trust alone", *["-"] * 6, _two(recalls["trust"])))
        means = {how: (100 * by_seed.mean(axis=0)).tolist() for how, by_seed in right.items()}
        columns = (*COLUMNS, "spread at 200", "wrong labels in first 10%")
        return {"right": means, "recall": recalls, "columns": columns, "table": table}

    return side


def unseen(sets: Mapping[str, Callable[[Watch], Set]]) -> Callable[[Watch], Figures | None]:
    """Ways of choosing on sets that none was made on, one line a set, and their mean."""

    def side(watch: Watch) -> Figures:
        found = {name: read(watch) for name, read in sets.items()}
        hows = ("datahub", "entropy", "random")
        right = {
            how: np.array(
                [np.mean([curve(one, how, s) for s in SEEDS], axis=0) for one in found.values()]
            )
            for how in hows
        }
        recalls = {
            how: [float(np.mean([recall(one, how, s) for s in SEEDS])) for one in found.values()]
            for how in hows
        }
        table = [
            (name, how, *_shown(right[how][place]), _two(recalls[how][place]))
            for place, name in enumerate(found)
            for how in hows
        ]
        for how in hows:
            table.append(
                ("mean", how, *_shown(right[how].mean(axis=0)), _two(np.mean(recalls[how])))
            )
        gain = right["datahub"] - right["entropy"]
        table.append(("spread", "datahub before entropy", *_shown(gain.std(axis=0)), "-"))
        means = {how: (100 * by_set.mean(axis=0)).tolist() for how, by_set in right.items()}
        columns = ("set", *COLUMNS, "wrong labels in first 10%")
        return {"right": means, "recall": recalls, "columns": columns, "table": table}

    return side


def six(watch: Watch) -> Figures:
    """Labels that are right after 200 answers of ours and after 400 by entropy, set by set."""
    table, gaps = list[tuple[str, ...]](), dict[str, dict[str, float]]()
    for name in SIX:
        found = published(name)(watch)
        ours, theirs = (
            np.mean([right_rows(found, how, budget, seed) for seed in SEEDS], axis=0)
            for how, budget in (("datahub", 200), ("entropy", 400))
        )
        gap = ours - theirs
        margin = 1.96 * float(gap.std()) / len(gap) ** 0.5
        gaps[name] = {"gap": 100 * float(gap.mean()), "margin": 100 * margin}
        means = (f"{100 * float(right.mean()):.1f}" for right in (ours, theirs))
        table.append((name, *means, f"{100 * gap.mean():+.1f}", f"{100 * margin:.1f}"))
    mean = float(np.mean([gap["gap"] for gap in gaps.values()]))
    table.append(("mean", "-", "-", f"{mean:+.1f}", "-"))
    columns = ("set", "datahub at 200, %", "entropy at 400, %", "points", "+- (95%, paired)")
    return {"gaps": gaps, "mean": mean, "columns": columns, "table": table}


def right_rows(found: Set, how: str, budget: int, seed: int) -> npt.NDArray[np.bool_]:
    """Which rows are right at a budget; answers inform rows alike, whoever chose what is asked."""
    pool = Pool(found, seed)
    pool.judge(informs=True)
    for before, after in pairwise(BUDGETS[: BUDGETS.index(budget) + 1]):
        teaching, audit = pool.picked(how, after - before)
        pool.answered[teaching] = pool.answered[audit] = True
        pool.audited[audit] = True
        pool.judge(informs=True)
    return np.asarray(pool.answered | ~pool.wrong)


def nowhere_worse(result: Result) -> bool:
    """Whether ours are as good on the mean, and worse on no set beyond its interval."""
    figures: Any = result.figures["ours"]
    worst = min(gap["gap"] + gap["margin"] for gap in figures["gaps"].values())
    return bool(figures["mean"] >= 0 and worst >= 0)


def _shown(right: npt.NDArray[np.float64]) -> list[str]:
    return [f"{100 * share:.1f}" for share in right]


def _two(share: float | np.floating[Any]) -> str:
    return f"{share:.2f}"


def curve(found: Set, how: str, seed: int) -> list[float]:
    """Share of right rows at each budget."""
    pool = Pool(found, seed)
    informs = how != "entropy, the usual"
    right = [pool.judge(informs=informs)]
    for before, after in pairwise(BUDGETS):
        teaching, audit = pool.picked(how, after - before)
        pool.answered[teaching] = pool.answered[audit] = True
        pool.audited[audit] = True
        right.append(pool.judge(informs=informs))
    return right


def recall(found: Set, how: str, seed: int) -> float:
    """Share of wrong labels that stand in the first tenth of the queue, before any answer."""
    pool = Pool(found, seed)
    pool.judge(informs=False)
    count = round(FIRST * len(pool.gold))
    if how == "trust":
        rows = pool.scores().sort("queue_trust")["row"].to_numpy()[:count]
    elif how == "datahub":
        rows = pool.queue(count, audit_share=0)["row"].to_numpy()
    else:
        rows = pool.picked(how, count)[0]
    return float(pool.wrong[rows].sum() / max(1, pool.wrong.sum()))


def halved(result: Result) -> bool:
    """Whether 200 labels of ours are as good as 400 by either entropy."""
    right: Any = result.figures["ours"]["right"]
    ours, at = right["datahub"][BUDGETS.index(200)], BUDGETS.index(400)
    return bool(ours >= max(by[at] for how, by in right.items() if how.startswith("entropy")))


def _case(name: str, title: str, side: Callable[[Watch], Figures | None], **more: Any) -> Case:
    return Case(
        f"budget_{name}",
        f"Budget curve: {title}",
        side,
        no_peer="the ways of choosing are lines of the table",
        goal="200 labels reach what entropy reaches with 400",
        met=halved,
        **more,
    )


CASES: tuple[Case, ...] = (
    Case(
        "budget_six",
        "200 answers of the queue against 400 by entropy, six published sets",
        six,
        no_peer="entropy, informed by the same pattern rule, is in the table",
        goal="no less on the mean, worse on no set beyond a paired 95% interval",
        met=nowhere_worse,
        needs=published_there("chemprot_half"),
        timeout=7200.0,
    ),
    _case("bbc", "BBC News, 24 LFs", curves(bbc)),
    _case(
        "youtube",
        "YouTube spam, 10 LFs",
        curves(published("wrench_youtube")),
        needs=published_there("wrench_youtube"),
    ),
    _case(
        "sms",
        "SMS spam, 73 LFs",
        curves(published("wrench_sms")),
        needs=published_there("wrench_sms"),
    ),
    _case(
        "halves",
        "random halves of the LFs",
        unseen(
            {
                f"{name}, half {seed}": half(read, seed)
                for name, read in (
                    ("BBC", bbc),
                    ("SMS", published("wrench_sms")),
                    ("YouTube", published("wrench_youtube")),
                )
                for seed in (0, 1)
            }
        ),
        needs=published_there("wrench_sms"),
    ),
    _case(
        "made",
        "made texts, LFs of their words",
        unseen(
            {
                f"{k} classes, {lfs} LFs": made(seed, k=k, lfs=lfs)
                for seed, k, lfs in ((2, 2, 12), (3, 3, 12), (5, 5, 20), (6, 2, 8))
            }
        ),
    ),
)
