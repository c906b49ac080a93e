"""What `datahub lf new` writes: one file with one LF that runs as it stands."""

from __future__ import annotations

import json
import keyword
import re
from collections.abc import Mapping, Sequence

from datahub.core.errors import InputError

_NUMBERS = ("Int", "UInt", "Float", "Decimal")
_KINDS = {
    "keywords": """\
from datahub import keywords

# Vote {one} where one of these words stands, whole, in any case; abstain elsewhere.
{name} = keywords("{name}", ["example", "another example"], {one}, column={column})
""",
    "regex": """\
from datahub import regex

# Vote {one} where the pattern is found, in any case; abstain elsewhere.
{name} = regex("{name}", r"https?://", {one}, column={column})
""",
    "lookup": """\
from datahub import lookup

# The class that the table has for the column's value; abstain where it has none.
TABLE = {{"one value": {zero}, "another value": {one}}}
{name} = lookup("{name}", TABLE, column={column})
""",
    "threshold": """\
from datahub import threshold

# Vote {one} where the number is above (or below=, or between both); null abstains.
{name} = threshold("{name}", {column}, {one}, above=100)
""",
    "expression": """\
import polars as pl

from datahub import expression

# Vote {one} where this polars expression holds, row by row; null abstains.
{name} = expression("{name}", pl.col({column}).cast(pl.String).str.len_chars() < 25, {one})
""",
    "model": """\
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from datahub import model

# Vote the class that the model is sure of; or name an ONNX file in place of a fitted one.
EXAMPLES = {{"an example of one class": {zero}, "one of the other": {one}}}
fitted = make_pipeline(TfidfVectorizer(), LogisticRegression())
fitted.fit(list(EXAMPLES), list(EXAMPLES.values()))
{name} = model("{name}", fitted, threshold=0.6, column={column})
""",
    "prompt": """\
from datahub import ABSTAIN, prompt

# Needs DATAHUB_PROMPT_ENDPOINT and prompt_model. Try it on few rows: `datahub lf run --sample 20`.
COLUMN = {column}
{name} = prompt(
    "{name}",
    "Which class does this belong to?\\n\\n{{" + COLUMN + "}}",
    answers={{"one class": {zero}, "another class": {one}, "unclear": ABSTAIN}},
)
""",
    "snorkel": '''\
from snorkel.labeling import labeling_function

from datahub import ABSTAIN


@labeling_function()
def {name}(x):
    """Any Python on one row: a class, or ABSTAIN. What it raises is a fault."""
    return {one} if len(str(x[{column}])) < 25 else ABSTAIN
''',
}
KINDS = tuple(_KINDS)

_HEAD = '''\
"""Classes go by name, or by number from 0 in the order of the dataset's class names.

See what it does: `datahub lf test {name}`. Vote and commit: `datahub lf run`.
"""

'''


def lf_file(
    name: str,
    kind: str,
    *,
    columns: Mapping[str, str] | None,
    text: str | None,
    column: str | None,
    classes: Sequence[str] = (),
) -> tuple[str, str]:
    """Path and content of a new LF's file; `columns` are the dataset's (name, polars type).

    It votes by the names of `classes`, by numbers where there are none yet.

    >>> path, content = lf_file("short", "regex", columns=None, text=None, column=None)
    >>> path, 'regex("short"' in content
    ('labeling_functions/short.py', True)
    """
    if kind not in _KINDS:
        raise InputError(
            f"There is no kind {kind!r} of labeling function.", hint=f"Kinds: {', '.join(KINDS)}."
        )
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", name) or keyword.iskeyword(name):
        raise InputError(
            f"{name!r} cannot name a new labeling function.",
            hint="It names a file and a Python value: letters, digits and '_', a letter first.",
        )
    literal = json.dumps(_column(kind, columns, text, column), ensure_ascii=False)
    literals = [json.dumps(label, ensure_ascii=False) for label in classes[:2]]
    zero, second = literals if len(literals) == 2 else ("0", "1")
    body = _KINDS[kind].format(name=name, column=literal, zero=zero, one=second)
    return f"labeling_functions/{name}.py", _HEAD.format(name=name) + body


def _column(
    kind: str, columns: Mapping[str, str] | None, text: str | None, column: str | None
) -> str:
    if column is not None:
        if columns is not None and column not in columns:
            raise InputError(
                f"There is no column {column!r}.", hint=f"Columns are {', '.join(columns)}."
            )
        return column
    if kind != "threshold":
        return text or "text"
    numeric = [name for name, kind in (columns or {}).items() if kind.startswith(_NUMBERS)]
    if not numeric:
        raise InputError(
            "A threshold needs a column of numbers, and none is known.",
            hint="Name one with --column, or take --kind expression.",
        )
    return numeric[0]
