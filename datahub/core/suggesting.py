"""LFs that a few labeled rows suggest, chosen by one half of them and measured on the other.

Many candidates are tried, and the best of many look good by luck. So what chooses them never
measures them: precision and coverage, with 95% intervals (Wilson), are of the other half. A
suggestion is code for a person to read; nothing here runs by itself.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from datahub.core.alike import words
from datahub.core.declarative import keywords, lookup, regex, threshold
from datahub.core.declarative_lf import DeclarativeLF
from datahub.core.labels import ABSTAIN
from datahub.core.trust import interval

LEAST = 40  # labeled rows: twenty choose
SUPPORT = 3  # rows of the choosing half that a word or a value must hit
MOST_VALUES = 50  # different values of a column that a lookup is made of
ALIKE = 0.8  # of the hits of both: one of them says it
PATTERNS = {
    "link": r"https?://|www\.",
    "email": r"[\w.+-]+@[\w-]+\.\w",
    "long_number": r"\d{4,}",
    "money": r"[$€£]\s?\d",
    "question": r"\?",
    "exclamation": r"!!",
    "percent": r"\d\s?%",
}
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Suggestion:
    """An LF as code, and how it does on held-out labeled rows: `right` of `votes`, of `rows`.

    `chosen_by` is what it did where it was chosen: (right, votes), which flatters it.
    """

    name: str
    kind: str
    column: str
    label: str | None
    code: str
    right: int
    votes: int
    rows: int
    chosen_by: tuple[int, int]

    @property
    def precision(self) -> float | None:
        """Share of its votes that are right; None where it never voted."""
        return self.right / self.votes if self.votes else None

    @property
    def precision_interval(self) -> tuple[float, float]:
        """95% interval of the precision."""
        return interval(self.right, self.votes)

    @property
    def coverage(self) -> float:
        """Share of held-out rows that it votes on."""
        return self.votes / self.rows if self.rows else 0.0

    @property
    def coverage_interval(self) -> tuple[float, float]:
        """95% interval of the coverage."""
        return interval(self.votes, self.rows)


@dataclass(frozen=True)
class _Candidate:
    make: Callable[[str], DeclarativeLF]
    code: Callable[[str], str]
    stem: str
    kind: str
    column: str
    label: str | None


def suggest(
    frame: pl.DataFrame, labels: Ints, classes: Sequence[str], *, seed: int, most: int = 5
) -> list[Suggestion]:
    """At most `most` LFs a class and a few lookups, best first where they were chosen.

    `frame` are rows without their key, `labels` class numbers. Fewer than LEAST rows suggest
    nothing.
    """
    if len(labels) < LEAST:
        return []
    choice_rows, test_rows = _halves(labels, seed)
    rows, truth = frame[choice_rows], labels[choice_rows]
    balance = np.bincount(truth, minlength=len(classes)) / len(truth)
    scores = []
    for candidate in _candidates(rows, truth, classes):
        lf = candidate.make("x").for_classes(classes)
        votes = _votes(lf, rows)
        there = votes != ABSTAIN
        right, total = int((votes[there] == truth[there]).sum()), int(there.sum())
        chance = float(balance[votes[there]].mean()) if total else 1.0
        low = interval(right, total)[0]
        if total >= SUPPORT and low > chance:
            scores.append(((low - chance) * total, candidate, there, (right, total)))
    scores.sort(key=lambda line: (-line[0], line[1].kind, line[1].column, line[1].stem))
    return [
        _measured(candidate, name, frame[test_rows], labels[test_rows], classes, by)
        for candidate, name, by in _best(scores, most)
    ]


def _best(
    scores: Sequence[tuple[float, _Candidate, npt.NDArray[np.bool_], tuple[int, int]]], most: int
) -> Iterator[tuple[_Candidate, str, tuple[int, int]]]:
    """The best of each class, without those that hit nearly the same rows; each with a name."""
    choices: list[tuple[_Candidate, npt.NDArray[np.bool_]]] = []
    counts, names = Counter[str | None](), Counter[str]()
    for _, candidate, hits, by in scores:
        is_copy = any(
            earlier.label == candidate.label and (hits & h).sum() >= ALIKE * (hits | h).sum()
            for earlier, h in choices
        )
        if is_copy or counts[candidate.label] == most:
            continue
        choices.append((candidate, hits))
        counts[candidate.label] += 1
        names[candidate.stem] += 1
        times = names[candidate.stem]
        yield candidate, candidate.stem if times == 1 else f"{candidate.stem}_{times}", by


def _measured(
    candidate: _Candidate,
    name: str,
    rows: pl.DataFrame,
    truth: Ints,
    classes: Sequence[str],
    by: tuple[int, int],
) -> Suggestion:
    votes = _votes(candidate.make(name).for_classes(classes), rows)
    there = votes != ABSTAIN
    return Suggestion(
        name=name,
        kind=candidate.kind,
        column=candidate.column,
        label=candidate.label,
        code=candidate.code(name),
        right=int((votes[there] == truth[there]).sum()),
        votes=int(there.sum()),
        rows=len(truth),
        chosen_by=by,
    )


def _halves(labels: Ints, seed: int) -> tuple[Ints, Ints]:
    """Two halves of the rows with like shares of each class, dealt by the seed."""
    deal = np.random.default_rng(seed).permutation(len(labels))
    by_class = deal[np.argsort(labels[deal], kind="stable")]
    return np.sort(by_class[::2]), np.sort(by_class[1::2])


def _votes(lf: DeclarativeLF, rows: pl.DataFrame) -> Ints:
    votes = rows.select(lf.vote.cast(pl.Int64).fill_null(ABSTAIN).alias("vote")).to_series()
    return np.asarray(votes.to_numpy(), dtype=np.int64)


def _candidates(rows: pl.DataFrame, truth: Ints, classes: Sequence[str]) -> Iterator[_Candidate]:
    for column, kind in rows.schema.items():
        if column.startswith("^") or column == "*":  # polars takes these for patterns
            continue
        if kind == pl.String:
            yield from _of_texts(rows[column], column, truth, classes)
        elif kind.is_numeric() and not kind.is_decimal():
            yield from _thresholds(rows[column].cast(pl.Float64), column, truth, classes)


def _of_texts(
    texts: pl.Series, column: str, truth: Ints, classes: Sequence[str]
) -> Iterator[_Candidate]:
    values = texts.fill_null("").to_list()
    hits = Counter[str]()
    by_class = Counter[tuple[str, int]]()
    for text, label in zip(values, truth.tolist(), strict=True):
        for word in words(text):
            hits[word] += 1
            by_class[word, label] += 1
    for word in sorted(word for word, count in hits.items() if count >= SUPPORT):
        if re.fullmatch(r"\w+", word):
            best = max(range(len(classes)), key=lambda y: (by_class[word, y], -y))
            yield _keyword(word, column, classes[best])
    for name, pattern in PATTERNS.items():
        for label in classes:
            yield _pattern(name, pattern, column, label)
    table = _table(values, truth, classes)
    if table:
        yield _lookup(table, column)


def _table(values: Sequence[str], truth: Ints, classes: Sequence[str]) -> dict[str, str]:
    """Values of a column of few values, each with the class that most of its rows have."""
    counts = Counter(zip(values, truth.tolist(), strict=True))
    totals = Counter(values)
    if len(totals) > MOST_VALUES:
        return {}
    table = {}
    for value in sorted(value for value, n in totals.items() if n >= SUPPORT and value):
        best = max(range(len(classes)), key=lambda y: (counts[value, y], -y))
        if counts[value, best] > totals[value] / 2:
            table[value] = classes[best]
    return table if len(table) > 1 else {}


def _thresholds(
    numbers: pl.Series, column: str, truth: Ints, classes: Sequence[str]
) -> Iterator[_Candidate]:
    finite = numbers.filter(numbers.is_finite())
    quantiles = [finite.quantile(share) for share in (0.1, 0.25, 0.5, 0.75, 0.9)]
    cuts = sorted({float(f"{value:.3g}") for value in quantiles if value is not None})
    for edge in cuts:
        for label in classes:
            for side in ("above", "below"):
                yield _threshold(column, label, side, edge)


def _keyword(word: str, column: str, label: str) -> _Candidate:
    def code(name: str) -> str:
        return f"keywords({_lit(name)}, [{_lit(word)}], {_lit(label)}, column={_lit(column)})"

    return _Candidate(
        lambda name: keywords(name, [word], label, column=column),
        code,
        _stem(f"word_{word}"),
        "keywords",
        column,
        label,
    )


def _pattern(stem: str, pattern: str, column: str, label: str) -> _Candidate:
    def code(name: str) -> str:
        return f"regex({_lit(name)}, {_lit(pattern)}, {_lit(label)}, column={_lit(column)})"

    return _Candidate(
        lambda name: regex(name, pattern, label, column=column), code, stem, "regex", column, label
    )


def _lookup(table: dict[str, str], column: str) -> _Candidate:
    def code(name: str) -> str:
        lines = "".join(f"        {_lit(v)}: {_lit(label)},\n" for v, label in table.items())
        return f"lookup(\n    {_lit(name)},\n    {{\n{lines}    }},\n    column={_lit(column)},\n)"

    return _Candidate(
        lambda name: lookup(name, table, column=column),
        code,
        _stem(f"value_of_{column}"),
        "lookup",
        column,
        None,
    )


def _threshold(column: str, label: str, side: str, cut: float) -> _Candidate:
    def make(name: str) -> DeclarativeLF:
        if side == "above":
            return threshold(name, column, label, above=cut)
        return threshold(name, column, label, below=cut)

    def code(name: str) -> str:
        return f"threshold({_lit(name)}, {_lit(column)}, {_lit(label)}, {side}={cut!r})"

    return _Candidate(make, code, _stem(f"{column}_{side}"), "threshold", column, label)


def _lit(text: str) -> str:
    """A text as Python reads it back; quotes and newlines in data stay data."""
    return json.dumps(text, ensure_ascii=False)


def _stem(text: str) -> str:
    """A name of a Python value."""
    stem = re.sub(r"[^a-z0-9_]+", "_", text.lower()).strip("_")[:40]
    return stem if stem[:1].isalpha() else f"lf_{stem}"


def code_of(suggestions: Sequence[Suggestion], about: str) -> str:
    """A file of labeling_functions/ with these LFs, each with how it did on held-out rows."""
    kinds = ", ".join(sorted({line.kind for line in suggestions}))
    head = f'"""{about}\n\nRead each before you keep it: they are guesses of few rows.\n"""\n\n'
    body = f"from datahub import {kinds}\n" if kinds else ""
    for line in suggestions:
        low, high = line.precision_interval
        body += (
            f"\n# right on {line.right} of {line.votes} votes on held-out rows "
            f"({100 * low:.0f}-{100 * high:.0f}%), votes on {100 * line.coverage:.0f}% of rows\n"
            f"{line.name} = {line.code}\n"
        )
    return head + body
