"""LFs by a few labeled rows: what chooses never measures, and the code does what was measured."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from datahub.core.declarative_lf import DeclarativeLF
from datahub.core.labels import ABSTAIN
from datahub.core.suggesting import LEAST, Ints, code_of, suggest

CLASSES = ("ham", "spam")


def made(rows: int = 200) -> tuple[pl.DataFrame, Ints]:
    """Spam says prize, is sent from one domain, and is short."""
    rng = np.random.default_rng(3)
    labels = np.arange(rows) % 2
    noise = [f"w{a} w{b}" for a, b in rng.integers(0, 60, (rows, 2))]
    prize = ["prize " if labels[i] and i % 3 else "" for i in range(rows)]
    texts = [word + rest for word, rest in zip(prize, noise, strict=True)]
    frame = pl.DataFrame(
        {
            "text": texts,
            "domain": ["win.example" if y else "bank.example" for y in labels],
            "length": [int(10 + 40 * (1 - y) + rng.integers(0, 5)) for y in labels],
        }
    )
    return frame, labels.astype(np.int64)


def run(code: str) -> dict[str, DeclarativeLF]:
    names: dict[str, object] = {}
    exec(compile(code, "suggested.py", "exec"), names)
    return {name: lf for name, lf in names.items() if isinstance(lf, DeclarativeLF)}


def test_each_kind_is_found_and_the_code_does_what_was_measured() -> None:
    frame, labels = made()

    found = suggest(frame, labels, CLASSES, seed=0)
    lfs = run(code_of(found, "About."))

    assert {"keywords", "lookup", "threshold"} <= {line.kind for line in found}
    assert [line.name for line in found] == [*lfs]
    for line in found:
        lf = lfs[line.name].for_classes(CLASSES)
        votes = frame.select(lf.vote.fill_null(ABSTAIN).alias("v")).to_series().to_numpy()
        there = votes != ABSTAIN
        chosen_right, chosen_votes = line.chosen_by
        assert there.sum() == line.votes + chosen_votes  # both halves are all rows
        assert (votes[there] == labels[there]).sum() == line.right + chosen_right


@pytest.mark.slow
def test_labels_by_chance_are_not_flattered() -> None:
    """The best of many look good where they were chosen; on held-out rows they are at chance."""
    frame, labels = made(400)
    held, chosen = [], []
    for seed in range(20):
        shuffled = np.random.default_rng(seed).permutation(labels)
        for line in suggest(frame, shuffled, CLASSES, seed=seed):
            held.append((line.right, line.votes))
            chosen.append(line.chosen_by)

    def share(pairs: list[tuple[int, int]]) -> float:
        return sum(right for right, _ in pairs) / max(1, sum(votes for _, votes in pairs))

    assert held
    assert share(chosen) > 0.6
    assert abs(share(held) - 0.5) < 0.06


def test_the_same_seed_suggests_the_same() -> None:
    frame, labels = made()

    assert suggest(frame, labels, CLASSES, seed=1) == suggest(frame, labels, CLASSES, seed=1)
    assert suggest(frame[: LEAST - 1], labels[: LEAST - 1], CLASSES, seed=1) == []


@pytest.mark.parametrize("value", ['a"b', "a\nb", "a\\", '"""', "\N{GRINNING FACE}", "{x}"])
def test_hostile_values_stay_values(value: str) -> None:
    """In the code, a value of the data is a text and nothing else."""
    frame = pl.DataFrame({"kind": [value if i % 2 else "plain" for i in range(100)]})
    labels = np.arange(100) % 2

    lookups = [x for x in suggest(frame, labels, CLASSES, seed=0) if x.kind == "lookup"]
    found = suggest(frame.rename({"kind": f"c {value}"}), labels, CLASSES, seed=0)

    assert lookups
    assert run(code_of(lookups, "About."))
    assert len(run(code_of(found, "About."))) == len(found)
