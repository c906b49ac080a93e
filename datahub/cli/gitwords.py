"""What people type who know git: `branch NAME`, `tag -d NAME`, and verbs that are not here.

git's short forms of `branch` and `tag` mean what they mean there. A verb of git's that datahub
has not says what does its work.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from typer.core import TyperGroup

from datahub.core.errors import InputError

_SHORT = {
    **dict.fromkeys(("-d", "--delete"), ("delete",)),
    "-D": ("delete", "--force"),
    **dict.fromkeys(("-l", "--list", "-a", "-v", "-vv"), ("list",)),
}
_SHARED = (
    "History lies in this project's folder. `datahub git export` makes a git repository of it, "
    "and a team shares one on a lakeFS server: `datahub init --store lakefs`."
)
_INSTEAD = {
    "add": "There is no staging area: `datahub commit FILE ... -m MESSAGE`.",
    "blame": "`datahub why KEY` tells what made the label of one row.",
    "rebase": "Use `datahub merge`, or `datahub cherry-pick COMMIT` one by one.",
    "reset": "A branch's head does not go back: `datahub revert COMMIT` takes a commit back, and "
    "`datahub branch NAME COMMIT` begins anew from one.",
    "stash": "`datahub switch` leaves your files as they are: there is nothing to put aside.",
    **dict.fromkeys(("clone", "fetch", "pull", "push", "remote"), _SHARED),
}


def spelled_out(words: list[str], commands: Collection[str]) -> list[str]:
    """The words of `branch` or `tag` with the command that git leaves out.

    >>> spelled_out(["work", "main~1"], ["create", "list"])
    ['create', 'work', 'main~1']
    >>> spelled_out(["-D", "work"], ["create", "list"]), spelled_out(["list"], ["create", "list"])
    (['delete', '--force', 'work'], ['list'])
    """
    if not words or words[0] in commands:
        return words
    if words[0] in _SHORT:
        return [*_SHORT[words[0]], *words[1:]]
    return words if words[0].startswith("-") else ["create", *words]


class Names(TyperGroup):
    """`branch` and `tag`, with git's short forms."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Spell out what git leaves out."""
        return super().parse_args(ctx, spelled_out(args, self.commands))


class Verbs(TyperGroup):
    """The root group, which knows what git's other verbs are here."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Raises InputError for a verb of git's that is not here."""
        if args[0] in _INSTEAD and args[0] not in self.commands:
            raise InputError(f"datahub has no {args[0]!r}.", hint=_INSTEAD[args[0]])
        return super().resolve_command(ctx, args)
