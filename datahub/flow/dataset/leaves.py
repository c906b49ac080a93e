"""What would leave the machine, by where it would go. Nothing is sent, and nothing is asked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from datahub.core.leaving import Leaving
from datahub.flow.dataset.at import At

SHOWN = 200  # characters of a value in an example


@dataclass(frozen=True)
class Departure:
    """One way out: a prompt, the embedding endpoint or the review queue, by name.

    `columns` would be sent to `destination`, `withheld` are not listed in the rule. `refused` says
    that nothing is sent because of them. `example` are values of the first row, as far as sent.
    """

    way: Literal["prompt", "embed", "review"]
    name: str
    destination: str
    columns: tuple[str, ...]
    withheld: tuple[str, ...]
    refused: bool
    example: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class LeavesReport:
    """All ways out of a dataset. `rule` is None where there is none: then all columns may leave.

    `unknown` are columns of the rule that the dataset does not have.
    """

    dataset: str
    rule: tuple[str, ...] | None
    unknown: tuple[str, ...]
    departures: tuple[Departure, ...]


@dataclass(frozen=True)
class Way:
    """What a way out takes of rows: `strict` ones refuse, others leave out what may not leave.

    `needs` are columns without which nothing can be sent.
    """

    way: Literal["prompt", "embed", "review"]
    name: str
    destination: str
    columns: Sequence[str]
    strict: bool
    needs: Sequence[str] = ()


def leaves(at: At, rule: Leaving, ways: Sequence[Way]) -> LeavesReport:
    """What each way would send. Raises DatasetNotFound."""
    dataset = at.dataset
    names = [name for name, _ in dataset.columns]
    first = dict[str, object]()
    for part in dataset.parts[:1]:
        frame = at.part("rows", part)
        assert frame is not None  # dataset.json names no part that is not there
        first = frame.row(0, named=True)
    return LeavesReport(
        dataset=at.name,
        rule=rule.columns,
        unknown=tuple(n for n in rule.columns or () if n not in (*names, dataset.key)),
        departures=tuple(_departure(way, rule, first) for way in ways),
    )


def _departure(way: Way, rule: Leaving, first: dict[str, object]) -> Departure:
    withheld = rule.withheld(dict.fromkeys([*way.needs, *way.columns]))
    columns = tuple(rule.only(dict.fromkeys([*way.needs, *way.columns], None)))
    is_refused = bool(rule.withheld(way.columns if way.strict else way.needs))
    is_refused |= not rule.only(dict.fromkeys(way.columns))
    fields = () if is_refused else columns
    example = {n: "" if first[n] is None else str(first[n])[:SHOWN] for n in fields if n in first}
    return Departure(way.way, way.name, way.destination, fields, withheld, is_refused, example)
