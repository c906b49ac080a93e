"""History drawn as lines: a lane for each commit that is still awaited. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from datahub.core.versions import Commit, CommitId


def draw_lanes(commits: Iterable[Commit]) -> Iterator[tuple[str, Commit | None]]:
    r"""Lines to draw, each with the commit that it shows, if any; children come before parents.

    >>> import datetime as dt
    >>> def make(id, *parents): return Commit(id, parents, "", "", dt.datetime.min)
    >>> history = [make("d", "b", "c"), make("c", "a"), make("b", "a"), make("a")]
    >>> for drawing, commit in draw_lanes(history):
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
        while again := next((i for i, lane in enumerate(lanes) if lane in lanes[:i]), None):
            yield _join_lanes(lanes.index(lanes[again]), again, len(lanes)), None
            del lanes[again]


def _join_lanes(to: int, lane: int, count: int) -> str:
    """A lane that ends in one to its left, behind those between.

    >>> _join_lanes(1, 2, 4), _join_lanes(0, 2, 3)
    ('| |/ /', '|_|/')
    """
    line = "".join("|_" if to <= i < lane - 1 else "| " for i in range(lane))
    return line[:-1] + "/" + " /" * (count - lane - 1)
