"""History drawn as lines: a lane for each commit that is still awaited. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from datahub.core.versions import Commit, CommitId


def drawn(commits: Iterable[Commit]) -> Iterator[tuple[str, Commit | None]]:
    r"""Lines to draw, each with the commit that it shows, if any; children come before parents.

    >>> import datetime as dt
    >>> def made(id, *parents): return Commit(id, parents, "", "", dt.datetime.min)
    >>> history = [made("d", "b", "c"), made("c", "a"), made("b", "a"), made("a")]
    >>> for drawing, commit in drawn(history):
    ...     print(drawing.ljust(4) + (commit.id if commit else "."))
    *   d
    |\  .
    | * c
    * | b
    |/  .
    *   a
    """
    lanes: list[CommitId] = []
    for commit in commits:
        if commit.id not in lanes:
            lanes.append(commit.id)
        at = lanes.index(commit.id)
        yield " ".join("*" if i == at else "|" for i in range(len(lanes))), commit
        lanes[at : at + 1] = commit.parents[:1]
        for parent in commit.parents[1:]:
            if parent not in lanes:
                yield (
                    " ".join("|" for _ in lanes[: at + 1]) + "\\" + " \\" * (len(lanes) - at - 1),
                    None,
                )
                lanes.insert(at + 1, parent)
        while again := next((i for i, one in enumerate(lanes) if one in lanes[:i]), None):
            yield _joined(lanes.index(lanes[again]), again, len(lanes)), None
            del lanes[again]


def _joined(to: int, lane: int, count: int) -> str:
    """A lane that ends in one to its left, behind those between.

    >>> _joined(1, 2, 4), _joined(0, 2, 3)
    ('| |/ /', '|_|/')
    """
    left = "".join("|_" if to <= i < lane - 1 else "| " for i in range(lane))
    return left[:-1] + "/" + " /" * (count - lane - 1)
