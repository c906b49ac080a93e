"""`datahub audit`: whether everything on a guarded branch came through its gate."""

from __future__ import annotations

from typing import Annotated

import typer

from datahub.cli.context import Json, opened
from datahub.cli.output import emit_json, line, table


def audit(
    branch: Annotated[str, typer.Argument(help="Guarded branch to audit.")] = "main",
    json: Json = False,
) -> None:
    """Name every commit on a guarded branch that did not come through its gate.

    Exits 1 when there is one, or one whose signature cannot be told for want of its secret.
    Changes of the rules are listed with their reasons.
    """
    with opened() as hub:
        found = hub.audit(branch)
    if json:
        emit_json(found)
    else:
        for one in found.unjudged:
            line(f"unjudged {one.commit[:12]} {one.author} {one.time:%Y-%m-%d %H:%M}")
            line(f"  {one.message.splitlines()[0] if one.message else '(no message)'}")
            line(f"  {'; '.join(one.why)}")
        if found.rule_changes:
            rows = [
                (c.commit[:12], f"{c.time:%Y-%m-%d %H:%M}", c.author, c.reason or "(no reason)")
                for c in found.rule_changes
            ]
            table(["rules changed by", "time", "author", "reason"], rows)
        state = "guarded" if found.guarded else "not guarded"
        line(
            f"{found.branch} is {state}: {found.commits} commits, {found.judged} judged, "
            f"{len(found.unjudged)} not" + (f", {found.signed} signed" if found.signed else "")
        )
        for commit in found.unchecked:
            line(f"unchecked {commit[:12]}: DATAHUB_VERDICT_SECRET does not hold its secret")
    if found.unjudged or found.unchecked:
        raise typer.Exit(1)
