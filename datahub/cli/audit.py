"""`datahub audit`: whether everything on a guarded branch came through its gate."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from datahub.cli.context import Json, opened
from datahub.cli.output import emit_json, line, table
from datahub.hub import results

if TYPE_CHECKING:
    from datahub.flow.publish.audit import Audit


def audit(
    branch: Annotated[str, typer.Argument(help="Guarded branch to audit.")] = "main",
    since: Annotated[
        str | None,
        typer.Option(
            help="A commit that you know to be good (its id): it must be on the branch, and all "
            "after it must be judged."
        ),
    ] = None,
    json: Json = False,
) -> None:
    """Name every commit on a guarded branch that did not come through its gate.

    Exits 1 when there is anything to tell: such a commit, a time without a gate, labels or
    annotations that no step brought, a branch that was moved or never guarded, or a signature
    that cannot be told for want of its secret. Changes of the rules are listed with their reasons.
    """
    with opened() as hub:
        found = hub.audit(branch, since=since)
    if json:
        emit_json(results.Audit.of(found))
    else:
        _tell(found)
    if not found.clean:
        raise typer.Exit(1)


def _tell(found: Audit) -> None:
    for what, commits in (("unjudged", found.unjudged), ("unexplained", found.unexplained)):
        for one in commits:
            line(f"{what} {one.commit[:12]} {one.author} {one.time:%Y-%m-%d %H:%M}")
            line(f"  {one.message.splitlines()[0] if one.message else '(no message)'}")
            line(f"  {'; '.join(one.why)}")
    for change in found.ungated:
        line(f"ungated {change.commit[:12]} {change.author} {change.time:%Y-%m-%d %H:%M}")
        line(f"  removed the gate: {change.reason or '(no reason)'}")
    for head in found.moved:
        line(f"moved: {found.branch} stood guarded at {head[:12]}, which it holds no more")
    if found.since_fault:
        line(f"since: {found.since_fault}")
    if found.rule_changes:
        rows = [
            (c.commit[:12], f"{c.time:%Y-%m-%d %H:%M}", c.author, c.reason or "(no reason)")
            for c in found.rule_changes
        ]
        table(["rules changed by", "time", "author", "reason"], rows)
    for commit in found.unchecked:
        line(f"unchecked {commit[:12]}: DATAHUB_VERDICT_SECRET does not hold its secret")
    line(_summary(found))


def _summary(found: Audit) -> str:
    if found.guarded_since is None:
        return f"{found.branch} was never guarded: nothing vouches for its {found.commits} commits"
    state = "guarded" if found.guarded else "not guarded"
    seen = f"{found.commits} commits, {found.judged} judged, {len(found.unjudged)} not"
    signed = f", {found.signed} signed" if found.signed else ""
    where = f"since {found.guarded_since[:12]}"
    free = f"; {found.free} came before its gate" if found.free else ""
    return f"{found.branch} is {state} ({where}): {seen}{signed}{free}"
