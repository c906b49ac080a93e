"""Git's verbs: switch, commit, log, show, diff, merge."""

from __future__ import annotations

from collections.abc import Sequence
from textwrap import indent
from typing import TYPE_CHECKING, Annotated

import typer

from datahub.cli.consent import Yes, consent, say_set_aside
from datahub.cli.context import Branch, CommittedLFs, Json, open_hub
from datahub.cli.output import brief, emit_json, expectations, failures, line, pager, table, talk
from datahub.cli.settling import (
    Conflicts,
    Decisions,
    OursOption,
    RuleName,
    TheirsOption,
    settling_options,
)
from datahub.cli.state import state
from datahub.core.errors import ConfigError
from datahub.hub import results

if TYPE_CHECKING:
    from datahub.core.verdict import Verdict
    from datahub.core.versions import Change, Commit
    from datahub.flow.history.diff import Difference, RowLine
    from datahub.hub import Hub


def add_to(app: typer.Typer) -> None:
    """Add the commands to the root group."""
    for command in (switch, commit, log, show, diff, merge):
        app.command()(command)
    app.command("checkout", hidden=True)(switch)


def switch(
    branch: Annotated[
        str, typer.Argument(help="Branch to make the current one; - is the one before.")
    ],
    create: Annotated[bool, typer.Option("--create", "-c", "-b", help="Cut it first.")] = False,
    json: Json = False,
) -> None:
    """Make a branch the current one."""
    with open_hub() as hub:
        head = hub.switch(branch, create=create)
        branch = hub.branch
    if json:
        emit_json(results.Branch(branch, head.id))
        return
    line(f"On branch {branch} at {head.id[:12]}")


def commit(
    message: Annotated[str, typer.Option("--message", "-m", help="What and why.")],
    files: Annotated[
        list[str] | None, typer.Argument(help="Files or folders of the project.")
    ] = None,
    branch: Branch = None,
    json: Json = False,
) -> None:
    """Commit named files. There is no staging area."""
    if not files:
        raise ConfigError(
            "Nothing is named to be committed.",
            hint="Name files or folders: `datahub commit labeling_functions -m MESSAGE`. Rows, "
            "votes, labels and answers are committed by the steps that make them.",
        )
    with open_hub(branch) as hub:
        new = hub.commit(files, message=message, start=state.folder)
        on = hub.branch
    if json:
        emit_json(results.Commit.of(new))
        return
    line(f"[{on} {new.id[:12]}] {message}")


def log(
    ref: Annotated[str | None, typer.Argument(help="Branch or commit.")] = None,
    limit: Annotated[int | None, typer.Option("--max-count", "-n", help="Show at most N.")] = None,
    oneline: Annotated[bool, typer.Option("--oneline", help="One line for each commit.")] = False,
    graph: Annotated[bool, typer.Option("--graph", help="Draw the commit graph.")] = False,
    dataset: Annotated[
        str | None, typer.Option("--dataset", "-d", help="Only commits that changed this dataset.")
    ] = None,
    json: Json = False,
) -> None:
    """Show history, newest first."""
    if graph and dataset:
        raise ConfigError("--graph draws the whole history.", hint="Leave out --dataset.")
    with open_hub() as hub:
        commits = hub.log(ref, limit=limit, dataset=dataset)
        names = _names(hub) if graph or oneline else {}
    if json:
        emit_json(results.Commit.list_of(commits))
        return
    with pager():
        _print_log(commits, names, graph=graph, oneline=oneline)


def _print_log(
    commits: list[Commit], names: dict[str, list[str]], *, graph: bool, oneline: bool
) -> None:
    if graph:
        from datahub.core.lanes import draw_lanes

        for lanes, commit in draw_lanes(commits):
            line(lanes + (f" {_oneline(commit, names)}" if commit else ""))
        return
    if oneline:
        for commit in commits:
            line(_oneline(commit, names))
        return
    rows = [(c.id[:12], c.time, c.author, _subject(c)) for c in commits]
    table(["commit", "time", "author", "message"], rows)


def _subject(commit: Commit) -> str:
    return next(iter(commit.message.splitlines()), "")


def _oneline(commit: Commit, names: dict[str, list[str]]) -> str:
    refs = f"({', '.join(names[commit.id])}) " if commit.id in names else ""
    return f"{commit.id[:12]} {refs}{_subject(commit)}"


def _names(hub: Hub) -> dict[str, list[str]]:
    """Branches and tags by the commit that they name, the current branch first."""
    names: dict[str, list[str]] = {}
    branches = hub.branches()
    for name in sorted(branches, key=lambda name: (name != hub.branch, name)):
        label = f"HEAD -> {name}" if name == hub.branch else name
        names.setdefault(branches[name], []).append(label)
    for name, commit in hub.tags().items():
        names.setdefault(commit, []).append(f"tag: {name}")
    return names


def show(
    ref: Annotated[str | None, typer.Argument(help="Branch or commit.")] = None,
    json: Json = False,
) -> None:
    """Show a commit: who, why, what it changed, and the verdict that let it in."""
    with open_hub() as hub:
        commit = hub.commit_at(ref)
        difference = hub.changes(commit.id)
        verdict = hub.verdict(commit.id)
        objects = hub.objects(commit.id) if json else {}
    if json:
        emit_json(
            results.Shown(
                results.Commit.of(commit),
                None if difference is None else results.Difference.of(difference),
                None if verdict is None else results.Verdict.of(verdict),
                objects,
            )
        )
        return
    with pager():
        _print_commit(commit, verdict)
        _print_diff(difference)


def _print_commit(commit: Commit, verdict: Verdict | None) -> None:
    line(f"commit {commit.id}")
    for parent in commit.parents:
        line(f"parent {parent}")
    line(f"author {commit.author}  {commit.time.isoformat()}")
    line()
    line(indent(commit.message, "    "))
    for name, value in commit.metadata.items():
        line(f"    {name}: {value}")
    if verdict is not None:
        reason = f" ({verdict.reason})" if verdict.reason else ""
        note = ", signed" if verdict.signature else ""
        line(f"verdict passed{note}, {verdict.kind}, {expectations(verdict.checks)}{reason}")


def diff(
    old: Annotated[str | None, typer.Argument(help="Or OLD..NEW. (default: main)")] = None,
    new: Annotated[str | None, typer.Argument(help="(default: the current branch)")] = None,
    rows: Annotated[
        bool, typer.Option("--rows", help="List rows: what changed, and why the label moved.")
    ] = False,
    limit: Annotated[int, typer.Option(min=1, help="List at most N rows of each dataset.")] = 20,
    exit_code: Annotated[
        bool, typer.Option("--exit-code", help="Exit 1 when anything differs.")
    ] = False,
    json: Json = False,
) -> None:
    """Show what differs between two refs: objects, rows by key, labels old -> new."""
    with open_hub() as hub:
        if old and new is None and ".." in old:  # as git has it
            old, _, new = old.partition("..")
        difference = hub.diff(old or "main", new, lines=limit if rows else 0)
    if json:
        emit_json(results.Difference.of(difference))
    else:
        with pager():
            _print_diff(difference)
    if exit_code and difference.objects:
        raise typer.Exit(1)


def merge(
    source: Annotated[str, typer.Argument(help="Branch or commit to merge.")],
    into: Annotated[
        str | None, typer.Option("--into", help="Branch that takes it (default: the current).")
    ] = None,
    message: Annotated[str, typer.Option("--message", "-m", help="Of the merge commit.")] = "",
    ours: OursOption = False,
    theirs: TheirsOption = False,
    rule: RuleName = None,
    decisions: Decisions = None,
    conflicts: Conflicts = None,
    reason: Annotated[str, typer.Option(help="Required when only rules change.")] = "",
    squash: Annotated[
        bool,
        typer.Option(
            "--squash", help="Make one commit with one parent, without the branch's history."
        ),
    ] = False,
    committed_lfs: CommittedLFs = False,
    no_retry: Annotated[
        bool,
        typer.Option(
            "--no-retry", help="Exit 3 where the branch moved meanwhile, and do not judge again."
        ),
    ] = False,
    yes: Yes = False,
    json: Json = False,
) -> None:
    """Merge a branch into the current one, row by row, if its gate passes.

    Decisions go first, then the rule, then the side. Exits 3 when a conflict is left.
    """
    resolution = settling_options(
        ours=ours, theirs=theirs, rule=rule, decisions=decisions, conflicts=conflicts
    )
    with open_hub() as hub:
        outcome = hub.merge(
            source,
            into=into,
            message=message,
            reason=reason,
            squash=squash,
            set_aside=consent(yes=yes),
            committed_lfs=committed_lfs,
            retry=not no_retry,
            **resolution,
        )
        into = into or hub.branch
    if outcome.verdict is None and source in (into, "HEAD", "@"):
        talk(f"hint: {into} was merged into itself: --into names the branch that takes it.")
    if json:
        emit_json(results.Merged.of(outcome))
        return
    if outcome.verdict is None:
        line(f"Already up to date: {into} holds all of {source}.")
        return
    checks = f"{expectations(outcome.checks)} passed" if outcome.checks else "no gate to pass"
    line(f"{source} merged into {into}: {outcome.commit.id[:12]}, {checks}")
    report = outcome.report
    if report.rows:
        line(f"  {report.rows} rows merged by key")
    if report.relabeled:
        line(
            f"  {report.relabeled} labels decided by the answers of both sides"
            + (f", {report.settled} of them settled here" if report.settled else "")
        )
    for note in report.notes:
        line(f"  note: {note}")
    say_set_aside(report.set_aside)
    for failure in failures(outcome.verdict):
        line(failure)


def _print_diff(difference: Difference | None) -> None:
    if difference is None:
        return
    for (kind, place), count in _by_place(difference.objects).items():
        line(f"{kind:8} {place}" + (f" ({count} objects)" if count > 1 else ""))
    for rows in difference.rows:
        if rows.added or rows.removed or rows.changed:
            columns = ", ".join(f"{name} {count}" for name, count in rows.columns.items())
            line(
                f"rows of {rows.dataset}: {rows.added} added, {rows.removed} removed, "
                f"{rows.changed} changed" + (f" ({columns})" if columns else "")
            )
        if rows.labels:
            line(f"labels of {rows.dataset}: {sum(rows.labels.values())} moved")
        for pair, count in rows.labels.items():
            line(f"  {pair}: {count}")
        if rows.unlabeled:
            from datahub.core.kept import FIT

            line(f"rows of {rows.dataset} without a label yet: {rows.unlabeled} ({FIT})")
        for row_line in rows.lines:
            _print_row(row_line)


def _print_row(row: RowLine) -> None:
    label = f"  {row.label[0] or '(none)'} -> {row.label[1] or '(none)'}" if row.label else ""
    line(f"{row.kind:8} {row.key}{label}")
    for column, (old, new) in row.columns.items():
        if row.kind == "changed":
            line(f"    {column}: {brief(old)} -> {brief(new)}")
        else:
            line(f"    {column}: {brief(new if row.kind == 'added' else old)}")
    for reason in row.why:
        line(f"    because {reason}")


def _by_place(changes: Sequence[Change]) -> dict[tuple[str, str], int]:
    """How many objects of each kind of change: alone by path, several by their table's folder."""
    places: dict[tuple[str, str], list[str]] = {}
    for change in changes:
        folder = "/".join(change.path.split("/")[:3])
        places.setdefault((change.kind, folder), []).append(change.path)
    return {
        (kind, paths[0] if len(paths) == 1 else f"{folder}/"): len(paths)
        for (kind, folder), paths in places.items()
    }
