"""What every command of the command line has."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import typer

from datahub.cli.commands import app

Found = tuple[str, Any]  # typer carries a click of its own, without public types


def commands(root: Any, path: tuple[str, ...] = ()) -> Iterator[Found]:
    """All commands below a group with their names as typed, groups that do something included."""
    below = getattr(root, "commands", {})
    if path and (not below or getattr(root, "invoke_without_command", False)):
        yield " ".join(path), root
    for name, command in below.items():
        yield from commands(command, (*path, name))


EVERY = dict(commands(typer.main.get_command(app)))


@pytest.mark.parametrize("name", sorted(EVERY))
def test_every_command_answers_in_json_and_says_what_it_does(name: str) -> None:
    """Machines read --json, people read --help."""
    command = EVERY[name]
    options = {option for parameter in command.params for option in parameter.opts}

    assert "--json" in options
    assert command.help


def test_the_commands_that_people_are_promised_are_there() -> None:
    alone = (
        "init import export switch branch status log show diff commit merge why audit tag revert "
        "cherry-pick restore gc fsck demo"
    )
    grouped = (
        "lf run, lf stats, lf new, lf test, lf conflicts, label fit, label score, review push, "
        "review answer, review pull, gate set, gate run, db upgrade, labelstudio start, "
        "labelstudio stop, labelstudio status"
    )

    assert {*alone.split(), *grouped.split(", ")} <= set(EVERY)
