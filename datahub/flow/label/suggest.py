"""LFs that labeled rows suggest. Nothing is committed, and nothing is run."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from datahub.core.dataset import Key
from datahub.core.errors import InputError
from datahub.core.in_html import InHTML
from datahub.core.parts import key_hashes, mix_bits
from datahub.core.suggesting import LEAST, Suggestion, code_of, suggest
from datahub.flow.dataset.annotations import decisions_at
from datahub.flow.dataset.at import At
from datahub.flow.dataset.parts import GOLD_LABEL

ROWS = 500  # labeled rows that are looked at, unless said
SOURCES = ("gold", "answers")


@dataclass(frozen=True)
class SuggestReport(InHTML):
    """LFs that `rows` labeled rows of a source suggest, and the code of all of them.

    `file` is where the code was written; empty where it was not.
    """

    dataset: str
    source: str
    rows: int
    seed: int
    suggestions: tuple[Suggestion, ...]
    code: str
    file: str = ""


def suggest_lfs(at: At, *, source: str, most_rows: int, most: int, seed: int) -> SuggestReport:
    """Propose LFs by at most `most_rows` labeled rows, which the seed draws.

    Raises InputError (no such source, too few labeled rows), NotFound (no gold).
    """
    dataset = at.dataset
    labels = _labels(at, source)
    if len(labels) < LEAST or len(set(labels.values())) < 2:
        raise InputError(
            f"{len(labels)} rows of {at.name!r} have a label by {source}; suggestions need "
            f"{LEAST}, of two classes or more.",
            hint="Import some with --gold, or answer some: `datahub review push`, then "
            "`datahub lf suggest --from answers`.",
        )
    keys = pl.Series(list(labels))
    ranks = mix_bits(key_hashes(keys) ^ mix_bits(np.array([seed % 2**64], dtype=np.uint64)))
    sample = keys[np.sort(np.argsort(ranks, kind="stable")[:most_rows])].to_list()
    columns = [name for name in dataset.content_columns if name != at.key]
    frame = pl.concat(list(at.lines("rows", sample, columns=[at.key, *columns])))
    number = {name: i for i, name in enumerate(dataset.classes)}
    truth = np.array([number[labels[key]] for key in frame[at.key]], dtype=np.int64)
    suggestions = suggest(frame.select(columns), truth, dataset.classes, seed=seed, most=most)
    about = f"LFs that {len(truth)} rows of {at.name} suggest, labeled by {source}."
    code = code_of(suggestions, about)
    return SuggestReport(at.name, source, len(truth), seed, tuple(suggestions), code)


def _labels(at: At, source: str) -> dict[Key, str]:
    """Labeled rows by key; labels that are no class are left out."""
    if source not in SOURCES:
        raise InputError(f"Nobody labels as {source!r}.", hint=f"It is {' or '.join(SOURCES)}.")
    classes = set(at.dataset.classes)
    if source == "answers":
        decisions = decisions_at(at).items()
        return {key: d.label for key, d in sorted(decisions, key=str) if d.label in classes}
    at.check_gold()
    frames = [frame for _, frame in at.parts("gold", columns=[at.key, GOLD_LABEL])]
    lines = pl.concat(frames).drop_nulls().iter_rows()
    return {key: label for key, label in lines if label in classes}
