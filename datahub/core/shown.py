"""What annotators were shown of rows, and whether rows are still that.

An answer belongs to the values of the columns that its task showed, and to no others: a column
that comes later takes nothing from it. Lines of the log from before columns were kept have a hash
of the whole row as it was then. The names of columns are part of what is hashed, so such a hash
says by itself of which columns it is: it is compared with the row in all its columns, and in those
that earlier batches showed (`earlier`). Values are compared in full, also where a person is shown
only their beginning, and as they are typed: 1 and "1" are two values. Pure.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

from datahub.core.dataset import Key, content_hash
from datahub.core.relabel import Annotation

Columns = tuple[str, ...]
Content = Mapping[str, object]  # column -> value, without a key that import made


def columns_of(fields: Iterable[str]) -> Columns:
    """The columns of a task's fields as an annotation keeps them.

    >>> columns_of({"text": "a", "from": "b"})
    ('from', 'text')
    """
    return tuple(sorted(fields))


def hash_of(content: Content, columns: Columns | None = None) -> str | None:
    """The hash of a row in these columns (None: in all); None where it lacks one of them.

    >>> hash_of({"a": 1, "b": 2}, ("a",)) == hash_of({"a": 1, "b": 3}, ("a",))
    True
    >>> hash_of({"a": 1}, ("a", "b")) is None
    True
    """
    if columns is None:
        return content_hash(content)
    if not all(name in content for name in columns):
        return None
    return content_hash({name: content[name] for name in columns})


def row_hashes(
    log: Iterable[Annotation],
    contents: Iterable[tuple[Key, Content]],
    *,
    earlier: Collection[Columns] = (),
) -> dict[Key, frozenset[str]]:
    """By row, the hashes of what it is now, in each set of columns that lines about it saw.

    >>> said = Annotation("1", "k", "h", "tech", "ann", "2026-01-01", "b", columns=("a",))
    >>> now = row_hashes([said], [("k", {"a": 1, "b": 2})])
    >>> now == {"k": {hash_of({"a": 1})}}
    True
    """
    columns_by_key: dict[Key, set[Columns | None]] = {}
    for entry in log:
        views = (None, *earlier) if entry.columns is None else (entry.columns,)
        columns_by_key.setdefault(entry.key, set()).update(views)
    return {
        key: frozenset(
            digest
            for columns in columns_by_key.get(key, ())
            if (digest := hash_of(content, columns))
        )
        for key, content in contents
    }


def columns_needed(log: Iterable[Annotation], content_columns: Sequence[str]) -> list[str]:
    """Which of a dataset's content columns must be read to compare rows with these lines."""
    names: set[str] = set()
    for entry in log:
        if entry.columns is None:
            return list(content_columns)
        names.update(entry.columns)
    return [name for name in content_columns if name in names]
