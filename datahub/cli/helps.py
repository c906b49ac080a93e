"""Help texts in lists of commands: whole, where they would end in dots after half a line."""

from __future__ import annotations

from typing import Any


def show_whole(command: Any) -> None:
    """Have the first paragraph of each command's help stand in the list of commands."""
    commands = [command]
    while commands:
        below = commands.pop()
        below.short_help = below.short_help or " ".join((below.help or "").split("\n\n")[0].split())
        commands += getattr(below, "commands", {}).values()
