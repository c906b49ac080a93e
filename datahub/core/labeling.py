"""Labeling functions (LFs), and how they are applied to rows.

An LF is a name and a call on a row. Declarative ones run as polars expressions, a
column at a time; batch ones (models, prompts) judge many rows in one call; all others
are called on light rows. An LF that raises is a
fault: its cell holds no vote, and the fault is listed with key, error and line.
An LF that returns what is no class breaks its contract and stops the run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, replace
from functools import partial
from pathlib import PurePath
from types import CodeType, TracebackType
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import polars as pl

from datahub.core.batch import BatchLF
from datahub.core.class_names import NumberedVotes, no_class, numbers_of, plain_name
from datahub.core.dataset import Key
from datahub.core.declarative_lf import NO_CLASS, DeclarativeLF, gives_names
from datahub.core.errors import LabelingFunctionError, shown, told
from datahub.core.fused import fused_votes, fusible
from datahub.core.labels import ABSTAIN, LabelMatrix
from datahub.core.lf_rows import Row, RowsOf
from datahub.core.memory import forget, remember_apart

_REFUSALS = (pl.exceptions.PolarsError, pl.exceptions.PanicException)  # of an expression
FAULTS_KEPT = 20  # of one LF on one part; all of them are counted


class LabelingFunction(Protocol):
    """A name and a call on a row: row -> class 0..k-1, or ABSTAIN (-1)."""

    @property
    def name(self) -> str:
        """Unique among the LFs of a project."""
        ...

    def __call__(self, x: object, /) -> int:
        """Vote on one row."""
        ...


LOOK_OF_ROWS = "2"  # part of what decides votes: another one, and LFs that are called vote again


@dataclass(frozen=True)
class Fault:
    """An LF raised on a row: what, and in which file and line."""

    lf: str
    key: Key
    error: str
    where: str

    def told_from(self, root: str) -> Fault:
        """The same with a place inside `root` told from there: equal on every machine.

        >>> Fault("a", 1, "E", "/home/ann/mail/lfs/a.py:3").told_from("/home/ann/mail")
        Fault(lf='a', key=1, error='E', where='lfs/a.py:3')
        """
        file, mark, line = self.where.rpartition(":")
        path = PurePath(file)
        if not mark or not path.is_relative_to(root):
            return self
        return replace(self, where=f"{path.relative_to(root).as_posix()}:{line}")


@dataclass(frozen=True)
class LFOutput:
    """Votes [n, m] in row order; `fault_counts[j]` of LF j, of which `faults` are kept."""

    votes: LabelMatrix
    faults: tuple[Fault, ...]
    fault_counts: tuple[int, ...]


_Column = tuple[int, npt.NDArray[Any], list[Fault]]  # which LF, its votes and its faults


def apply(
    frame: pl.DataFrame,
    lfs: Sequence[LabelingFunction],
    *,
    key: str,
    cardinality: int,
    classes: Sequence[str] = (),
) -> LFOutput:
    """Apply LFs to rows. Raises LabelingFunctionError where an LF cannot be run or broke faith.

    With `classes`, the names of the `cardinality` classes, LFs that are called may vote by them;
    a name that is none of them is a fault.

    >>> from datahub.core.declarative import keywords
    >>> frame = pl.DataFrame({"id": [1, 2], "text": ["a goal", None]})
    >>> apply(frame, [keywords("goal", ["goal"], 1)], key="id", cardinality=2).votes.tolist()
    [[1], [-1]]
    """
    votes = np.full((frame.height, len(lfs)), ABSTAIN, dtype=np.int8)
    faults: list[Fault] = []
    counts = [0] * len(lfs)
    for j, column, lf_faults in _run_all(frame, list(enumerate(lfs)), key, cardinality, classes):
        votes[:, j] = column
        counts[j] = len(lf_faults)
        faults += lf_faults[:FAULTS_KEPT]
    return LFOutput(votes, tuple(faults), tuple(counts))


def _run_all(
    frame: pl.DataFrame,
    lfs: Sequence[tuple[int, LabelingFunction]],
    key: str,
    cardinality: int,
    classes: Sequence[str],
) -> Iterator[_Column]:
    """Each kind in its own way: declarative LFs first, then batch LFs, then those on rows."""
    declarative = [(j, lf) for j, lf in lfs if isinstance(lf, DeclarativeLF)]
    yield from _run_declarative(frame, declarative, key, cardinality)
    for j, lf in lfs:
        if isinstance(lf, BatchLF):
            yield j, *_judge(frame, lf, key=key, cardinality=cardinality)
    on_rows = [(j, lf) for j, lf in lfs if not isinstance(lf, DeclarativeLF | BatchLF)]
    yield from _run_on_rows(frame, on_rows, key, cardinality, classes)


def _run_on_rows(
    frame: pl.DataFrame,
    lfs: Sequence[tuple[int, LabelingFunction]],
    key: str,
    cardinality: int,
    classes: Sequence[str],
) -> Iterator[_Column]:
    rows = RowsOf(frame)
    for _, lf in lfs:
        remember_apart(getattr(lf, "_pre", ()))
    for j, lf in lfs:
        answers, faults = _call(lf, rows.fresh(), frame[key], classes)
        yield j, np.asarray(_checked_votes(answers, lf.name, frame[key], cardinality)), faults
    for _, lf in lfs:
        forget(getattr(lf, "_pre", ()))


def _run_declarative(
    frame: pl.DataFrame,
    lfs: Sequence[tuple[int, DeclarativeLF]],
    key: str,
    cardinality: int,
) -> Iterator[_Column]:
    for _, lf in lfs:
        lf.check(frame.schema)
        if lf.label is not None:
            _checked_vote(lf.label, lf.name, None, cardinality)
    if not lfs:
        return
    by_name: dict[str, npt.NDArray[np.int8]] = {}
    try:
        for group in fusible([lf for _, lf in lfs]):
            by_name |= fused_votes(frame, group)
        alone = [lf.expression() for _, lf in lfs if lf.name not in by_name and lf.search is None]
        # the key travels along: a select without it need not keep rows in place
        out = frame.select(pl.col(key).alias("the key"), *alone)
        by_search = {
            lf.name: lf.search_texts(frame).select(lf.expression()).to_series()
            for _, lf in lfs
            if lf.search is not None
        }
    except _REFUSALS:
        for _, lf in lfs:
            _run_alone(frame, lf)
        raise
    for j, lf in lfs:
        if lf.name in by_name:
            yield j, by_name[lf.name], []
        else:
            votes = by_search[lf.name] if lf.name in by_search else out[lf.name]
            yield j, *_classes(lf, votes, frame[key], cardinality)


def _classes(
    lf: DeclarativeLF, labels: pl.Series, keys: pl.Series, cardinality: int
) -> tuple[npt.NDArray[np.int8], list[Fault]]:
    """The votes as int8, checked where the LF's expression says which class it votes."""
    votes, faults = lf.check_votes(labels), list[Fault]()
    if gives_names(labels):
        for row in (votes == NO_CLASS).arg_true():
            error = no_class(str(labels[row]), lf.classes)
            faults.append(Fault(lf.name, keys[row], error, "its expression"))
        votes = votes.replace(NO_CLASS, ABSTAIN)
    if lf.label is None and votes.len():
        outside = ~votes.is_between(ABSTAIN, cardinality - 1)
        first = outside.arg_max()
        if first is not None and outside[first]:
            _checked_vote(votes[first], lf.name, keys[first], cardinality)
    return votes.cast(pl.Int8).to_numpy(), faults


def _judge(
    frame: pl.DataFrame, lf: BatchLF, *, key: str, cardinality: int
) -> tuple[npt.NDArray[np.int8], list[Fault]]:
    output = lf.judge(frame)
    outside = np.flatnonzero((output.votes < ABSTAIN) | (output.votes >= cardinality))
    for row in outside:
        _checked_vote(int(output.votes[row]), lf.name, frame[key][int(row)], cardinality)
    faults = [
        Fault(lf.name, frame[key][fault.row], fault.error, fault.where) for fault in output.faults
    ]
    return output.votes, faults


def _run_alone(frame: pl.DataFrame, lf: DeclarativeLF) -> None:
    try:
        # beside as many numbers as there are rows: an expression may give another number of votes
        lf.search_texts(frame).select(pl.int_range(pl.len()).alias("the key"), lf.expression())
    except _REFUSALS as error:
        raise LabelingFunctionError(
            f"LF {lf.name!r} cannot run on these rows: {str(error).strip().splitlines()[0]}",
            hint=f"Columns are {', '.join(frame.columns)}.",
            lf=lf.name,
        ) from error


def _call(
    lf: LabelingFunction,
    rows: Sequence[Row],
    keys: pl.Series,
    classes: Sequence[str],
) -> tuple[list[Any], list[Fault]]:
    faults: dict[int, Fault] = {}
    call, votes, source = _inner(lf), list[Any](), iter(rows)
    while len(votes) < len(rows):
        try:
            for row in source:
                votes.append(call(row))
        except KeyboardInterrupt as interrupt:
            interrupt.add_note(f"LF {lf.name!r} was at row {keys[len(votes)]!r}")
            raise
        except BaseException as error:  # noqa: BLE001  whatever user code raised: sys.exit() too
            at = len(votes)
            faults[at] = Fault(lf.name, keys[at], told(error), _where(lf, error))
            votes.append(ABSTAIN)
    if classes:
        faults |= _number_names(votes, lf, keys, classes)
    return votes, [faults[row] for row in sorted(faults)]


def _number_names(
    votes: list[Any], lf: LabelingFunction, keys: pl.Series, classes: Sequence[str]
) -> dict[int, Fault]:
    """Put numbers in the place of class names; faults by row where a name is no class."""
    faults: dict[int, Fault] = {}
    if not any(issubclass(kind, str) for kind in set(map(type, votes))):
        return faults
    numbers = numbers_of(classes)
    for row, vote in enumerate(votes):
        if isinstance(vote, str):
            name = plain_name(vote)
            votes[row] = numbers.get(name, ABSTAIN)
            if name not in numbers:
                faults[row] = Fault(lf.name, keys[row], no_class(name, classes), _place(lf))
    return faults


def with_numbers(lf: LabelingFunction, classes: Sequence[str]) -> LabelingFunction:
    """The LF as one that votes by numbers, for who calls it outside of `apply`.

    Raises LabelingFunctionError: a name is no class; of an LF that is called, when it votes so.
    """
    if isinstance(lf, DeclarativeLF | BatchLF):
        return lf.for_classes(classes)
    function = getattr(lf, "__dict__", {}).get("_f")
    if not callable(function):
        return lf
    result = copy(lf)
    vars(result)["_f"] = NumberedVotes(function, classes, lf.name)
    return result


def _inner(lf: LabelingFunction) -> Callable[[Row], Any]:
    """The function itself, where a Snorkel LF does nothing more than to call it."""
    kind = type(lf)
    own = (kind.__call__, getattr(kind, "_preprocess_data_point", None))
    plain = all(getattr(f, "__module__", "") == "snorkel.labeling.lf.core" for f in own)
    if not plain or getattr(lf, "_pre", True) or "_preprocess_data_point" in vars(lf):
        return lf
    function, resources = vars(lf).get("_f"), vars(lf).get("_resources")
    if not callable(function) or not isinstance(resources, Mapping):
        return lf
    return partial(function, **resources) if resources else function


def _checked_votes(votes: list[Any], lf: str, keys: pl.Series, cardinality: int) -> list[int]:
    if set(map(type, votes)) <= {int} and (
        not votes or (min(votes) >= ABSTAIN and max(votes) < cardinality)
    ):
        return votes
    return [_checked_vote(vote, lf, keys[i], cardinality) for i, vote in enumerate(votes)]


def _checked_vote(vote: object, lf: str, key: Key | None, cardinality: int) -> int:
    whole = isinstance(vote, (int, np.integer, np.bool_)) or (
        isinstance(vote, (float, np.floating)) and vote.is_integer()
    )
    if whole and ABSTAIN <= int(vote) < cardinality:  # type: ignore[call-overload]
        return int(vote)  # type: ignore[call-overload, no-any-return]
    on = "" if key is None else f" on row {key!r}"
    raise LabelingFunctionError(
        f"LF {lf!r} returned {shown(vote)}{on}; there are {cardinality} classes.",
        hint=f"Return a class by name, or 0..{cardinality - 1}; ABSTAIN (-1) for no vote.",
        lf=lf,
        key=key,
    )


def _code(lf: LabelingFunction) -> CodeType | None:
    code = getattr(getattr(lf, "_f", lf), "__code__", None)
    return code if isinstance(code, CodeType) else None


def _place(lf: LabelingFunction) -> str:
    """File and line where the LF's function begins; empty where that is not known."""
    code = _code(lf)
    return "" if code is None else f"{code.co_filename}:{code.co_firstlineno}"


def _where(lf: LabelingFunction, error: BaseException) -> str:
    """File and line of the LF's own file that raised; of the innermost frame if none is."""
    code = _code(lf)
    own = None if code is None else code.co_filename
    place, trace = "", error.__traceback__
    innermost = ""
    while isinstance(trace, TracebackType):
        innermost = f"{trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}"
        if trace.tb_frame.f_code.co_filename == own:
            place = innermost
        trace = trace.tb_next
    return place or innermost
