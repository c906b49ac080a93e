"""What commands print: results to stdout (tables, or JSON), talk and progress to stderr."""

from __future__ import annotations

import io
import json
import math
import re
import shutil
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date, datetime, timedelta
from datetime import time as dtime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from datahub.hub.results.shape import Shape, plain

if TYPE_CHECKING:
    from datahub.core.check_result import CheckResult
    from datahub.core.verdict import Verdict

CONFLICTS_SHOWN = 10
_ID = re.compile(r"(?<![\w/.])([0-9a-f]{12})[0-9a-f]{52}(?![\w/])(?!\.\w)")
_bars: list[Any] = []  # the bars on the terminal just now


def emit_json(result: Shape | Sequence[Shape | Mapping[str, Any] | str]) -> None:
    """Print a declared result, or a list of them, as one JSON document."""
    sys.stdout.write(json.dumps(plain(result), ensure_ascii=False, indent=2) + "\n")


def emit_json_line(result: Shape) -> None:
    """Print a declared result as one line: of a command that goes on, and whose reader waits."""
    line(json.dumps(plain(result), ensure_ascii=False))


def line(text: str = "") -> None:
    """Print one line of results."""
    sys.stdout.write(text + "\n")


def talk(text: str) -> None:
    """Say something that is no result."""
    sys.stderr.write(text + "\n")


class _Screen(io.StringIO):
    """What would go to the terminal, before it is known whether it fits."""

    def isatty(self) -> bool:
        return True


@contextmanager
def pager() -> Iterator[None]:
    """On a terminal, show what is longer than the screen in a pager ($PAGER, or less)."""
    if not sys.stdout.isatty() or not sys.stdin.isatty():
        yield
        return
    terminal, screen = sys.stdout, _Screen()
    sys.stdout = screen
    try:
        yield
    finally:
        sys.stdout = terminal
    text = screen.getvalue()
    if text.count("\n") < shutil.get_terminal_size().lines:
        terminal.write(text)
        return
    import pydoc

    pydoc.pager(text)


def table(columns: Sequence[str], rows: Sequence[Sequence[Any]], *, title: str = "") -> None:
    """Print a table: drawn on a terminal, tab-separated in a pipe."""
    if not sys.stdout.isatty():
        for row in [columns, *rows]:
            line("\t".join(_cell(cell) for cell in row))
        return
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table

    view = Table(  # two spaces between columns: an LF table fits into 80
        title=title or None,
        box=SIMPLE_HEAD,
        title_justify="left",
        padding=(0, 1, 0, 0),
        pad_edge=False,
    )
    for column, cells in zip(columns, zip(*rows, strict=True) if rows else [()] * len(columns)):  # noqa: B905
        numbers = bool(cells) and all(_numeric(cell) for cell in cells)
        view.add_column(column, justify="right" if numbers else "left", overflow="fold")
    for row in rows:
        view.add_row(*(_escape(_cell(cell)) for cell in row))
    waits = isinstance(sys.stdout, _Screen)  # a pager may not know what bold is
    Console(force_terminal=False if waits else None).print(view)


def share(value: float | None) -> str:
    """A share as people read it.

    >>> share(0.12345), share(None)
    ('12.3%', '-')
    """
    return "-" if value is None else f"{value:.1%}"


def expectations(count: int) -> str:
    """How many expectations, as people say it.

    >>> expectations(1), expectations(8)
    ('1 expectation', '8 expectations')
    """
    return f"{count} expectation{'' if count == 1 else 's'}"


def failures(verdict: Verdict | None) -> Iterator[str]:
    """What a verdict found wrong, with the keys of the first rows."""
    from datahub.core.gate_outcome import rows_of

    for failure in verdict.failures if verdict is not None else ():
        yield f"  {failure.severity} {failure.suite} {failure.expectation}: {failure.message}"
        if failure.keys:
            yield f"    {rows_of(failure)}"


def other_results(results: Iterable[CheckResult]) -> Iterator[str]:
    """What could not run, and what passed with what was observed."""
    for result in results:
        if result.state == "failed":
            continue
        state = "met" if result.state == "passed" else result.state
        notes = f" ({result.notes})" if result.notes else ""
        yield f"  {state} {result.suite} {result.expectation}: {result.message}{notes}"


@contextmanager
def progress_bars() -> Iterator[Any]:
    """A progress callback with bar, speed and time left on a terminal; silent in a pipe.

    Drawing begins with the first progress: while it goes on, no prompt would be seen.
    """
    if not sys.stderr.isatty():
        yield lambda name, count, total: None
        return
    bars = _Bars()
    try:
        yield bars.update
    finally:
        bars.stop()


class _Bars:
    """Bars of rich, one a task; they are drawn from the first progress on."""

    def __init__(self) -> None:
        self._bars = _rich_progress()
        self._tasks: dict[str, Any] = {}
        self._starts: dict[str, float] = {}  # when what came before it had ended
        self._last = time.monotonic()

    def update(self, name: str, count: int, total: int) -> None:
        if not self._tasks:
            self._bars.start()
            _bars.append(self._bars)
        if name not in self._tasks:
            self._tasks[name] = self._bars.add_task(name, total=total, speed="")
            self._starts[name] = self._last
        self._last = time.monotonic()
        speed = f"{count / max(self._last - self._starts[name], 1e-3):,.0f}/s"
        self._bars.update(self._tasks[name], completed=count, total=total, speed=speed)

    def stop(self) -> None:
        if self._tasks:
            _bars.remove(self._bars)
            self._bars.stop()


def _rich_progress() -> Any:
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[speed]}"),
        TimeRemainingColumn(),
    )
    return Progress(*columns, console=Console(stderr=True), transient=True)


def confirm(question: str) -> bool:
    """Put a question to who sits at the terminal; no is the default. Bars wait meanwhile."""
    import typer

    for bars in _bars:
        bars.stop()
    try:
        return typer.confirm(question, err=True)
    finally:
        for bars in _bars:
            bars.start()


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, datetime):
        return value.astimezone().strftime("%Y-%m-%d %H:%M")
    if isinstance(value, float):
        return "-" if math.isnan(value) else f"{value:.3f}"
    return str(value).replace("\t", " ").replace("\n", " ")


def _numeric(cell: Any) -> bool:
    text = _cell(cell).rstrip("%")
    return text == "-" or text.replace(".", "", 1).replace("-", "", 1).isdigit()


def _escape(text: str) -> str:
    return text.replace("[", "\\[")


def _conflict(conflict: Any) -> str:
    place = (conflict.dataset, conflict.table, conflict.key, conflict.column)
    where = " ".join(str(part) for part in place if part is not None)
    whole = not conflict.dataset or (conflict.key, conflict.column) == (None, None)
    short = _id if whole else brief  # whole objects and datasets differ by their ids
    sides = [
        f"{side} {short(value)}" + (f" by {by}" if str(by) else "")
        for side, value, by in (
            ("base", conflict.base, ""),
            ("ours", conflict.ours, conflict.ours_by),
            ("theirs", conflict.theirs, conflict.theirs_by),
        )
    ]
    return f"{where.strip()}: {conflict.kind}: {', '.join(sides)}"


def _id(value: Any) -> str:
    return "-" if value is None else str(value)[:12]


def brief(value: Any) -> str:
    """A value in at most 60 characters, dates and times as ISO 8601.

    >>> brief(date(2024, 5, 1)), brief(None), brief([1, date(2024, 5, 1)])
    ('2024-05-01', '-', '[1, 2024-05-01]')
    """
    text = _brief(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _brief(value: Any, *, inside: bool = False) -> str:
    if value is None:
        return "null" if inside else "-"
    if isinstance(value, str):
        return repr(value) if inside else value
    if isinstance(value, datetime):
        return value.isoformat(sep=" ")
    if isinstance(value, (date, dtime, timedelta, Decimal)):
        return str(value)
    if isinstance(value, Mapping):
        items = (f"{key}: {_brief(item, inside=True)}" for key, item in value.items())
        return "{" + ", ".join(items) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(_brief(item, inside=True) for item in value[:60]) + "]"
    return repr(value)


def emit_error(error: Any, *, as_json: bool) -> None:
    """Say what happened and what to do next, on stderr; a refusal's reasons with it."""
    if as_json:
        from datahub.hub.results.problem import Failed, Problem  # an error, seldom: not at start

        failure = Failed(Problem.of(error))
        talk(json.dumps(failure.to_json(), ensure_ascii=False))
        return
    verdict = getattr(error, "verdict", None)
    conflicts = getattr(error, "conflicts", ())
    talk(f"error[{error.code}]: {short_ids(error.message)}")
    for detail in failures(verdict):
        talk(detail)
    for conflict in conflicts[:CONFLICTS_SHOWN]:
        talk(f"  {_conflict(conflict)}")
    if len(conflicts) > CONFLICTS_SHOWN:
        talk(f"  ... and {len(conflicts) - CONFLICTS_SHOWN} more")
    if error.hint:
        talk(f"hint: {short_ids(error.hint)}")


def short_ids(text: str) -> str:
    """A text with 12 digits of each id, which are enough for any command; paths stay whole.

    >>> short_ids(f"Branch 'main' is at '{'ab' * 32}'.")
    "Branch 'main' is at 'abababababab'."
    """
    return _ID.sub(r"\1", text)


@contextmanager
def waiting(text: str) -> Iterator[None]:
    """On a terminal, say what is waited for until it is there."""
    if not sys.stderr.isatty():
        yield
        return
    from rich.console import Console

    with Console(stderr=True).status(text):
        yield
