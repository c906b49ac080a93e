"""A dataset: named rows under one schema, with one key and k named classes.

Rows lie in parts: immutable Parquet objects in canonical order (ascending key),
so that an answer about part p needs no keys beside it. `content_hash` is the
stable identity of one row's content; `content_digest` begins the keys of
rows that came without.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace

from datahub.core.error_kinds import InputError

FORMAT_VERSION = 2  # in format 1 parts were named by their number
MAX_CLASSES = 127  # votes are int8, and -1 is ABSTAIN
ROWS_PER_PART = 100_000  # about: core.parts says where they are cut
RESERVED_KEYS = frozenset(  # columns of the tables of labels: no key can be named so
    (
        *("label", "status", "source", "confidence", "reason", "lfs", "model", "annotations"),
        *("probabilities", "margin", "end_label", "end_confidence", "trust", "doubt", "pattern"),
        "_part",
        *("queue_trust", "pattern_answers", "thin", "people", "skips", "by_end", "becomes", "cell"),
        *("model_probabilities", "model_label", "model_confidence", "end_probabilities"),
        *("second", "outcome", "said", "share", "calm", "round", "slice", "score", "prediction"),
    )
)
MADE_KEY = "row_key"  # the column that import adds where the user names no key

Key = str | int


@dataclass(frozen=True)
class Part:
    """One immutable run of rows. `sha256` is of the object's bytes; keys are inclusive.

    `size` is in bytes; `nulls` counts them by column, where there are any.
    """

    sha256: str
    rows: int
    first_key: Key
    last_key: Key
    size: int = 0
    nulls: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Dataset:
    """What dataset.json holds. `columns` are (name, polars type) in file order, key included."""

    name: str
    key: str
    columns: tuple[tuple[str, str], ...]
    parts: tuple[Part, ...]
    classes: tuple[str, ...] = ()
    text: str | None = None
    key_made: bool = False
    has_gold: bool = False

    @property
    def rows(self) -> int:
        """Number of rows in all parts."""
        return sum(part.rows for part in self.parts)

    @property
    def content_columns(self) -> tuple[str, ...]:
        """Columns that are the row's content: all but a key that import made."""
        return tuple(name for name, _ in self.columns if not (self.key_made and name == self.key))

    def to_json(self) -> str:
        """Write as canonical JSON."""
        return to_canonical_json({"format": FORMAT_VERSION, **asdict(self)})

    @classmethod
    def from_json(cls, text: str | bytes) -> Dataset:
        """Read what `to_json` wrote. Raises InputError on another format version."""
        raw = json.loads(text)
        if raw.pop("format", None) != FORMAT_VERSION:
            raise InputError(
                "dataset.json has a format version that this datahub does not know.",
                hint="Upgrade datahub, or restore the dataset from a commit it wrote.",
            )
        return cls(
            **{
                **raw,
                "columns": tuple((name, _kept_as(kind)) for name, kind in raw["columns"]),
                "parts": tuple(Part(**part) for part in raw["parts"]),
                "classes": tuple(raw["classes"]),
            }
        )

    def with_classes(self, classes: Sequence[str]) -> Dataset:
        """Return the dataset with these class names, checked."""
        return replace(self, classes=check_classes(classes))


def _kept_as(kind: str) -> str:
    """What a column is in the parts: an earlier datahub wrote down what it had been in the file.

    >>> _kept_as("List(Categorical)"), _kept_as("Int64")
    ('List(String)', 'Int64')
    """
    kind = kind.replace("Extension('arrow.json', String, '')", "String")
    return re.sub(r"(?<!')\bCategorical\b(?!')", "String", kind)


def to_canonical_json(value: object) -> str:
    r"""One text for one value: sorted names, indented, a newline at the end.

    >>> to_canonical_json({"b": 1, "a": [1]})
    '{\n  "a": [\n    1\n  ],\n  "b": 1\n}\n'
    """
    return json.dumps(value, sort_keys=True, indent=2, ensure_ascii=False) + "\n"


def checked_columns(names: Sequence[str]) -> None:
    """Raise InputError for a column whose name an expression would take for a pattern.

    >>> checked_columns(["id", "text", "price_$"])
    """
    for name in names:
        if name == "*" or (name.startswith("^") and name.endswith("$")):
            raise InputError(
                f"A column is named {name!r}, which expressions take for a pattern of names.",
                hint="Rename the column and import again.",
            )


def checked_name(name: str) -> str:
    """Return `name` if it can name a dataset, else raise InputError.

    >>> checked_name("news-2024")
    'news-2024'
    """
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}", name):
        raise InputError(
            f"{name!r} cannot name a dataset.",
            hint="Use letters, digits, '-', '_' and '.', starting with a letter or digit.",
        )
    return name


def check_classes(classes: Sequence[str]) -> tuple[str, ...]:
    """Return the classes in their order if they can be used, else raise InputError.

    >>> check_classes(["ham", "spam"])
    ('ham', 'spam')
    """
    names = tuple(name.strip() for name in classes)
    if len(names) < 2 or len(names) > MAX_CLASSES:
        raise InputError(
            f"{len(names)} classes given; a dataset has between 2 and {MAX_CLASSES}.",
            hint="Name them in order: --classes ham,spam",
        )
    duplicates = sorted(name for name, count in Counter(names).items() if count > 1)
    if duplicates or "" in names:
        raise InputError(
            f"Class names are repeated: {', '.join(duplicates) or 'one is empty'}.",
            hint="Give every class its own name.",
        )
    return names


def content_hash(row: Mapping[str, object]) -> str:
    """SHA-256 of one row's content, hexadecimal; the order of its columns does not matter.

    >>> content_hash({"a": 1, "b": "x"}) == content_hash({"b": "x", "a": 1})
    True
    >>> content_hash({"a": 1}) == content_hash({"a": "1"})
    False
    """
    try:
        text = json.dumps(row, sort_keys=True, ensure_ascii=False, default=_plain)
    except TypeError:  # a map has keys that no name in JSON can be
        text = json.dumps(_text_keys(row), sort_keys=True, ensure_ascii=False, default=_plain)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def content_digest(row: Mapping[str, object]) -> str:
    """What a made key begins with: 16 hexadecimal digits of a row's content.

    >>> content_digest({"text": "same"}) == content_hash({"text": "same"})[:16]
    True
    """
    return content_hash(row)[:16]


def _text_keys(value: object) -> object:
    """The same with every key as text: of a map, JSON of a key that is none."""
    if isinstance(value, Mapping):
        return {
            key if isinstance(key, str) else json.dumps(key, default=_plain): _text_keys(item)
            for key, item in value.items()
        }
    if isinstance(value, (list, tuple)):
        return [_text_keys(item) for item in value]
    return value


def _plain(value: object) -> object:
    if isinstance(value, (dt.datetime, dt.date, dt.time)):
        return {"iso": value.isoformat()}
    if isinstance(value, (bytes, bytearray)):
        return {"hex": value.hex()}
    return {type(value).__name__: str(value)}
