"""What people type who know git: `branch NAME`, `tag -d NAME`, and verbs that are not here.

git's short forms of `branch` and `tag` mean what they mean there. A verb of git's that datahub
has not says what does its work.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Any

from typer.core import TyperGroup

from datahub.core.errors import InputError

_SHORT = {
    **dict.fromkeys(("-d", "--delete"), ("delete",)),
    "-D": ("delete", "--force"),
    **dict.fromkeys(("-l", "--list", "-a", "-v", "-vv"), ("list",)),
}
_SHARE_HINT = (
    "History lies in this project's folder. `datahub git export` makes a git repository of it, "
    "and a team shares one on a lakeFS server: `datahub init --store lakefs`."
)
_INSTEAD = {
    "add": "There is no staging area: `datahub commit FILE ... -m MESSAGE`.",
    "blame": "`datahub why KEY` tells what made the label of one row.",
    "rebase": "Use `datahub merge`, or `datahub cherry-pick COMMIT` one by one.",
    "reset": "A branch's head does not go back: `datahub revert COMMIT` takes a commit back, and "
    "`datahub branch NAME COMMIT` starts a branch at one.",
    "stash": "`datahub switch` leaves your files as they are: there is nothing to put aside.",
    "reflog": "`datahub log` shows a branch's history. What lost its name stays for two weeks.",
    "ls-files": "`datahub show --json` lists a commit's objects, `datahub head` the first rows.",
    "rev-parse": "`datahub show REF --json` has a commit's whole id.",
    "bisect": "`datahub why KEY` tells which commit moved a row's label.",
    "config": "Settings stand in datahub.toml, and DATAHUB_<NAME> in the environment goes first.",
    "rm": "Delete the file, then name it: a step commits what it made, `datahub commit` files.",
    **dict.fromkeys(("clone", "fetch", "pull", "push", "remote"), _SHARE_HINT),
}
_PATCH = "`datahub show COMMIT` shows what one changed, `datahub diff OLD NEW --rows` row by row."
_NAMES = "`datahub diff` lists what differs by name, and counts rows and labels; --rows lists them."
_WHOLE = "A merge lands whole or not at all, so there is none to go on with or to give up."
_MERGE_HINT = (
    "It is always a merge commit, for its verdict. `datahub gate run` judges and lands nothing."
)
_OPTIONS = {
    **{("log", option): _PATCH for option in ("-p", "--patch", "--stat", "--name-only")},
    **{("show", option): _PATCH for option in ("-p", "--stat", "--name-only")},
    **{("diff", option): _NAMES for option in ("-p", "--stat", "--name-only", "--name-status")},
    **{("merge", option): _WHOLE for option in ("--abort", "--continue", "--quit")},
    **{("merge", f"--{name}"): _MERGE_HINT for name in ("no-ff", "ff", "ff-only", "no-commit")},
    **{("revert", option): _WHOLE for option in ("--abort", "--continue", "--quit", "--no-commit")},
    **{("cherry-pick", option): _WHOLE for option in ("--abort", "--continue", "--quit")},
    **{
        ("commit", option): "There is no staging area: `datahub commit FILE ... -m MESSAGE`."
        for option in ("-a", "-am", "--all")
    },
    ("commit", "--amend"): "A commit stays. `datahub revert HEAD` takes it back by a new one.",
    **{
        ("branch", option): "A name does not change: `datahub branch NEW OLD`, then "
        "`datahub branch -D OLD`."
        for option in ("-m", "-M", "--move")
    },
    **{
        ("tag", option): "A tag is a name for a commit and has no message: `datahub tag NAME`."
        for option in ("-a", "-m", "--annotate", "-s")
    },
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


def in_our_words(words: list[str]) -> list[str]:
    """What git users type, as datahub has it. Raises InputError for an option that is not here.

    >>> in_our_words(["log", "-3", "--oneline"]), in_our_words(["help", "gate", "run"])
    (['log', '-n', '3', '--oneline'], ['gate', 'run', '--help'])
    >>> in_our_words(["help"]), in_our_words(["version"])
    (['--help'], ['--version'])
    """
    verb, *rest = words
    if verb == "help":
        return [*rest, "--help"]
    if verb == "version":
        return ["--version"]
    for option in rest:
        if option == "--":
            break
        if (verb, option) in _OPTIONS:
            raise InputError(f"datahub {verb} has no {option}.", hint=_OPTIONS[verb, option])
    if verb == "log":
        pieces = ((["-n", word[1:]] if re.fullmatch(r"-\d+", word) else [word]) for word in rest)
        return [verb, *(word for words in pieces for word in words)]
    return words


class Verbs(TyperGroup):
    """The root group, which knows what git's other verbs are here."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Say it in our words: from the verb on, for what goes before it is ours."""
        at = next((i for i, word in enumerate(args) if _is_verb(args, i)), None)
        return super().parse_args(ctx, args if at is None else args[:at] + in_our_words(args[at:]))

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Raises InputError for a verb of git's that is not here."""
        if args[0] in _INSTEAD and args[0] not in self.commands:
            raise InputError(f"datahub has no {args[0]!r}.", hint=_INSTEAD[args[0]])
        return super().resolve_command(ctx, args)


def _is_verb(args: list[str], at: int) -> bool:
    return not args[at].startswith("-") and (at == 0 or args[at - 1] not in ("-C", "--project"))
