"""Gold on its way in: a column of given labels becomes names of classes.

Text and categories are names as they are, and so is binary that is UTF-8. Whole numbers, decimals,
floats, booleans and dates become text as polars writes them: 1, 1.50, 1.0, true, 2024-01-31.
Nothing else names a class. A map may say what each of them means here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import polars as pl

from datahub.core.class_names import classes_hint
from datahub.core.errors import InputError
from datahub.flow.dataset.parts import GOLD

_NAMES = (pl.String, pl.Categorical, pl.Enum, pl.Binary, pl.Boolean, pl.Date, pl.Null)


def check_gold(schema: pl.Schema, gold: str | None) -> None:
    """Raise InputError where this column cannot be gold; None: there is none."""
    if GOLD in schema:
        raise InputError(
            f"A column cannot be named {GOLD!r}: datahub's own is.", hint="Rename the column."
        )
    if gold is None:
        return
    if gold not in schema:
        raise InputError(
            f"There is no column {gold!r} to keep as gold.",
            hint=f"Columns are {', '.join(schema.names())}.",
        )
    if not (schema[gold].is_numeric() or isinstance(schema[gold], _NAMES)):
        raise InputError(
            f"Column {gold!r} is {schema[gold]}, which names no class.",
            hint="Gold is one class name a row: text, numbers, booleans or dates. Cast it first.",
        )


GoldNames = Mapping[str, str | None]  # value -> class name, or no gold for the row


def gold_names(mapping: Mapping[str, str | int | None], classes: Sequence[str]) -> GoldNames:
    """What values of the gold column mean: names of classes, also where numbers were given.

    Raises InputError: a number that is no class, or a name that is none of `classes`, if there are.

    >>> gold_names({"no": "0", "yes": "spam", "?": ""}, ["ham", "spam"])
    {'no': 'ham', 'yes': 'spam', '?': None}
    """
    return {value: _name(value, name, classes) for value, name in mapping.items()}


def _name(value: str, target: str | int | None, classes: Sequence[str]) -> str | None:
    name = "" if target is None else str(target)
    if not name or name in classes or not classes:
        return name or None
    if name.isascii() and name.isdecimal() and int(name) < len(classes):
        return classes[int(name)]
    raise InputError(
        f"Gold {value!r} is mapped to {name!r}, which is no class.",
        hint=f"{classes_hint(name, classes)} A number counts them from 0.",
    )


def with_gold(frame: pl.DataFrame, gold: str | None, names_of: GoldNames) -> pl.DataFrame:
    """The rows with their gold as text, in a column of datahub's own. Raises InputError."""
    if gold is None:
        return frame
    values = frame[gold]
    if values.dtype.is_float() and not (values.is_finite() | values.is_null()).all():
        raise InputError(
            f"Column {gold!r} holds NaN or an infinity, which names no class.",
            hint="Make it null where a row has no gold label.",
        )
    try:
        names = values.cast(pl.String)
    except pl.exceptions.PolarsError as error:
        raise InputError(
            f"Column {gold!r} holds bytes that are no UTF-8 text.",
            hint="Gold is one class name a row: cast it to text first.",
        ) from error
    if names_of:
        spellings = [value for value, name in names_of.items() if name is not None]
        is_blank = names.is_in([value for value, name in names_of.items() if name is None])
        labels = names.replace(spellings, [names_of[value] for value in spellings])
        names = labels.set(is_blank.fill_null(value=False), None)
    return frame.drop(gold).with_columns(names.alias(GOLD))
