"""Hostile names: keys and columns named as patterns, SQL, paths or our own columns, all the way.

Each walk is a project of its own: import, append, upsert, LFs, fit, answers, a merge with a
conflict, a gate, `why` and `export`. Its rows have to come out as they went in, or the first import
refuses the names with an error that says which.
"""

from __future__ import annotations

import contextlib
import functools
import io
import os
import random
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from unittest.mock import patch

import typer.main

from bench.soak.outcome import ALL, Bounds, Outcome
from datahub.cli.app import main
from datahub.core.dataset import RESERVED_KEYS
from tests.hostile_names import walk
from tests.integration.conftest import Ran

PATTERNS = ("*", "^.*$", "^x$", "^", "$", "^id", "id$", "a|b", "[a-z]", "(?i)id", "\\", "\\d+", ".")
OURS = (
    *("label", "gold", "key", "status", "votes", "confidence", "soft", "row", "number", "len"),
    *("doubt", "_place", "__found in Python", "index", "literal", "class", "given", "annotator"),
    *("at", "batch", "answer", "weight", "cluster", "count", "task", "text", "id", "hash", "why"),
    *("place", "order", "split", "fold", "score", "reason", "side", "ours", "theirs", "base"),
    *("key_right", "label_right", "label_", "before", "after", "change", "lf", "value", "name"),
    *("probability", "the key", "__key__", "__index_level_0__", "column_0", "field_0", "struct"),
)
SQL = (
    "select",
    "a;drop table rows",
    "'",
    '"',
    "''",
    '"id"',
    "`id`",
    "--",
    "/*",
    "NULL",
    "a.b",
    "%",
)
PATHS = ("/", "..", "../x", "a/b", "a\\b", "C:", "~", "-x", "--key", "=1+1", "{}", "{0}", "{text}")
SPACES = (" ", "  id", "id ", "\t", "a\nb", "a\r\nb", "\u00a0", "\u200b", "i\ufeffd", "\u202eid")
TEXTS = ("é", "e\u0301", "ß", "SS", "İ", "ı", "\U0001f642", "数", "ключ", "\u0001", "\u007f", "")
NUMBERS = ("1", "01", "1.0", "-1", "nan", "None", "null", "True", "false", "inf", "2024-01-01")
LONG = ("x" * 300, "长" * 100, "x" * 5_000)
CALLS = ("self", "__class__", "__dict__", "def", "lambda", "_asdict", "fields", "x", "get", "items")
NAMES = (*PATTERNS, *OURS, *SQL, *PATHS, *SPACES, *TEXTS, *NUMBERS, *LONG, *CALLS)
REFUSED = ("*", "^.*$", "^x$")  # as names of columns: expressions take them for patterns
COUNT = 4 * len(NAMES)  # walks


def soak(folder: Path, *, count: int, seed: int, bounds: Bounds = ALL) -> Outcome:
    """Walk once for each name as that of the key column, and again with others beside it."""
    outcome = Outcome()
    for number in bounds.tries(count):
        rng = random.Random(f"{seed} {number}")
        place = folder / str(number)
        place.mkdir()
        _try(place, NAMES[number % len(NAMES)], rng, outcome)
        shutil.rmtree(place)
    return outcome


def _try(place: Path, key: str, rng: random.Random, outcome: Outcome) -> None:
    left_out = [name for name in NAMES if name.startswith("__index_level_")]  # pandas' own: told
    beside = [name for name in NAMES if name not in (key, *REFUSED, *left_out)]
    text, *more = rng.sample(beside, 4)
    keys = rng.sample(NAMES, 15)
    words = f"key={key!r:.60} text={text!r:.60} more={[m[:20] for m in more]} keys={keys!r:.600}"
    outcome.tried["walks"] += 1
    try:
        with _inside(place):
            rows, wanted = walk(_command, place, key=key, keys=keys, text=text, more=more)
    except Refused as refused:
        outcome.tried["refused at import"] += 1
        if key not in {*REFUSED, *RESERVED_KEYS} or repr(key) not in str(refused):
            outcome.went_wrong("refused", f"{words}: {refused}")
    except Exception as error:  # noqa: BLE001  whatever it is, it is a finding
        outcome.went_wrong("crashed", f"{words}: {error!r:.3000}")
    else:
        if rows != wanted or key in {*REFUSED, *RESERVED_KEYS}:
            changed = [name for name in wanted if rows.get(name) != wanted[name]]
            outcome.went_wrong("altered", f"{words}: rows {changed!r:.500}")


_made_once = functools.cache(typer.main.get_command)


class Refused(Exception):
    """The first import refused the names."""


def _command(*words: str) -> Ran:
    """The command line, in this process. typer builds all commands on each call: once is enough."""
    out, err = io.StringIO(), io.StringIO()
    with (
        patch.object(typer.main, "get_command", _made_once),
        patch.object(sys, "argv", ["datahub", *words]),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        try:
            main()
            code = 0
        except SystemExit as ended:
            code = int(ended.code or 0)
    if words[0] == "import" and "--classes" in words and code == 2:
        raise Refused(err.getvalue().strip())
    return Ran(code, out.getvalue(), err.getvalue())


@contextlib.contextmanager
def _inside(place: Path) -> Iterator[None]:
    before = Path.cwd()
    os.chdir(place)
    try:
        yield
    finally:
        os.chdir(before)
