"""docs/benchmarks.md: the results as a table for people, missed goals and gaps included."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from textwrap import wrap
from typing import Any

from bench.harness import ROOT, Result

PAGE = ROOT / "docs" / "benchmarks.md"

HEAD = """\
# Benchmarks

`make bench` measures this; `make bench CASES="name name"` measures some of it again. Ours and the
peer run side by side, each in a process of its own: CPU-seconds of the process and its children,
peak memory of the process and its children together. The same figures for machines are in
`bench/results/`.
"""


def page(results: Sequence[Result]) -> str:
    """All of docs/benchmarks.md."""
    pieces = [HEAD]
    ordered = sorted(results, key=lambda result: (result.group, result.case))
    for group, of_group in groupby(ordered, key=lambda result: result.group):
        pieces.append(f"## {group}\n\n" + _group(list(of_group)))
    missed = [result for result in ordered if result.met is False]
    pieces.append("## Goals missed\n\n" + _list(missed, lambda result: result.goal))
    out = [result for result in ordered if result.left_out or result.peer_left_out]
    pieces.append("## Left out\n\n" + _list(out, _left_out))
    if ordered:
        pieces.append("## Measured on\n\n" + _machines(ordered))
    return "\n".join(pieces)


def _group(results: list[Result]) -> str:
    columns = ("case", "ours, CPU-s", "peer, CPU-s", "ratio", "peak, MB", "peer's peak, MB")
    lines = [
        (
            result.title,
            _number(result.ours),
            f"{_number(result.peer)} ({result.peer_name})" if result.peer else "-",
            "-" if result.ratio is None else f"{result.ratio:.1f}x",
            _number(result.peak_mb, 0),
            _number(result.peer_peak_mb, 0),
            result.goal or "-",
            _verdict(result),
        )
        for result in results
    ]
    text = markdown((*columns, "goal", "met"), lines)
    for result in results:
        if result.table:
            text += f"\n{result.title}:\n\n{markdown(result.columns, result.table)}"
    return text


def markdown(columns: Sequence[str], lines: Sequence[Sequence[Any]]) -> str:
    """A table in Markdown.

    >>> print(markdown(("a", "b"), [("x", 1.5)]), end="")
    | a | b |
    | --- | ---: |
    | x | 1.5 |
    """
    rules = ["---", *["---:"] * (len(columns) - 1)]
    rows = [columns, rules, *([_cell(cell) for cell in line] for line in lines)]
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def _cell(cell: Any) -> str:
    return "-" if cell is None else str(cell).replace("|", "\\|").replace("\n", " ")


def _number(value: float | None, digits: int = 2) -> str:
    return "-" if value is None else f"{value:,.{digits}f}"


def _verdict(result: Result) -> str:
    if result.left_out:
        return "left out"
    return {True: "yes", False: "**no**", None: "-"}[result.met]


def _left_out(result: Result) -> str:
    return result.left_out or f"{result.peer_name or 'peer'}: {result.peer_left_out}"


def _list(results: list[Result], said: Any) -> str:
    if not results:
        return "None.\n"
    return "".join(_item(f"{result.title}: {said(result)}") for result in results)


def _machines(results: list[Result]) -> str:
    seen: dict[str, set[str]] = {}
    for result in results:
        found = dict(result.machine)
        packages = ", ".join(f"{name} {number}" for name, number in found["packages"].items())
        text = f"{found['cpus']} CPUs, {found['system']}, Python {found['python']}, {packages}"
        seen.setdefault(text, set()).add(found["date"])
    return "".join(_item(f"{', '.join(sorted(dates))}: {text}") for text, dates in seen.items())


def _item(text: str) -> str:
    """An item of a list, wrapped at 100; a + at the beginning of a line would be an item, too."""
    kept = f"- {text}".replace(" + ", "\0+\0")
    lines = wrap(kept, 100, subsequent_indent="  ", break_on_hyphens=False, break_long_words=False)
    return "\n".join(lines).replace("\0", " ") + "\n"
