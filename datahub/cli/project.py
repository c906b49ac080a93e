"""Commands of the project itself: init, import, export, status, demo."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from datahub.cli import importing
from datahub.cli.context import Branch, Dataset, Json, Ref, open_hub
from datahub.cli.output import brief, emit_json, line, talk, waiting
from datahub.cli.output import table as table_of
from datahub.cli.state import state
from datahub.hub import results


def add_to(app: typer.Typer) -> None:
    """Add the commands to the root group."""
    app.command()(init)
    app.command("import")(importing.import_)
    app.command()(export)
    app.command()(head)
    app.command()(status)
    app.command()(demo)


def init(
    folder: Annotated[Path | None, typer.Argument(help="Folder (default: this one).")] = None,
    dataset: Annotated[str, typer.Option("--dataset", "-d", help="Name of its dataset.")] = "rows",
    store: Annotated[str, typer.Option(help="embedded, or lakefs: a server's repository.")] = "",
    endpoint: Annotated[str, typer.Option(help="Address of the lakeFS server.")] = "",
    repository: Annotated[
        str, typer.Option(help="Repository on it: created, or adopted if it exists.")
    ] = "",
    storage: Annotated[
        str, typer.Option(help="Storage of a new repository, such as s3://bucket/path.")
    ] = "",
    json: Json = False,
) -> None:
    """Make a folder a project: settings, labeling_functions/, expectations/, branch main."""
    from datahub.hub import Hub

    hub, files = Hub.init(
        folder or state.folder,
        dataset=dataset,
        store=store,
        lakefs_endpoint=endpoint,
        lakefs_repository=repository,
        lakefs_storage_namespace=storage,
    )
    for warning in hub.warnings:
        talk(f"warning: {warning}")
    head = hub.commit_at("main")
    if json:
        emit_json(results.Created(str(hub.settings.root), "main", head.id, files))
        return
    line(f"Project {hub.settings.root} on branch main ({head.id[:12]})")
    for path in files:
        line(f"  wrote {path}")
    line(f"Next: datahub import FILE --dataset {hub.settings.dataset}")


def export(
    path: Annotated[
        Path,
        typer.Argument(
            help="Target file (.parquet, .orc or .csv says how); a folder with --format."
        ),
    ],
    table: Annotated[
        str, typer.Option(help="labeled (rows with labels), labels, rows, soft_labels, gold.")
    ] = "labeled",
    kind: Annotated[
        str | None,
        typer.Option("--format", help="parquet, orc or csv: write a folder, a file for each part."),
    ] = None,
    dataset: Dataset = None,
    ref: Ref = None,
    branch: Branch = None,
    json: Json = False,
) -> None:
    """Write rows and their labels, as of a ref, to a file or a folder."""
    with open_hub(branch) as hub:
        report = hub.export_rows(path, dataset=dataset, ref=ref, table=table, kind=kind)
        commit = hub.commit_at(ref).id
    if json:
        emit_json(results.Exported(str(path), report.rows, report.files, table, commit))
        return
    files = "" if kind is None else f", {report.files} files,"
    line(f"{report.rows} rows{files} to {path} as of {commit[:12]}")


def head(
    dataset: Dataset = None,
    ref: Ref = None,
    count: Annotated[int, typer.Option("-n", "--count", help="How many.", min=1)] = 10,
    table: Annotated[
        str | None,
        typer.Option(
            help="labeled (rows with labels), labels, rows, soft_labels, gold "
            "(default: labeled; rows, where there are no labels yet)."
        ),
    ] = None,
    checked: Annotated[
        bool,
        typer.Option("--checked", help="Fetch the object first, and check its SHA-256."),
    ] = False,
    branch: Branch = None,
    json: Json = False,
) -> None:
    """Show the first rows as of a ref, by key."""
    with open_hub(branch) as hub:
        if table is None and not hub.is_labeled(dataset, ref=ref):
            talk("No labels yet: these are the rows alone.")
            table = "rows"
        frame = hub.head(dataset, ref=ref, table=table or "labeled", count=count, checked=checked)
    if json:
        emit_json(frame.to_dicts())
        return
    table_of(frame.columns, [[brief(cell) for cell in row] for row in frame.rows()])


def status(branch: Branch = None, json: Json = False) -> None:
    """Say the branch, its head, and what is out of date."""
    with open_hub(branch) as hub, waiting("Reading the labeling functions and what they import"):
        report = hub.status()
    if json:
        emit_json(results.Status.of(report))
        return
    guard = ", guarded" if report.guarded else ""
    line(
        f"On branch {report.branch}{guard} at {report.head.id[:12]} {_subject(report.head.message)}"
    )
    for dataset in report.datasets:
        label_note = "labeled" if dataset.labeled else "no labels yet"
        label_note += f" but for {dataset.unlabeled} rows" if dataset.unlabeled else ""
        line(
            f"  {dataset.name}: {dataset.rows} rows, {len(dataset.classes)} classes, "
            f"{dataset.lfs} LFs, {label_note}"
        )
    if not (report.isolated or report.refused):
        line("LFs run without isolation: they can read your files and use the network.")
        line(f"    {report.isolation_hint} docs/security.md says what that means.")
    if not report.out_of_date:
        line("Everything is up to date.")
    for stale in report.out_of_date:
        line(f"! {stale.what}")
        line(f"    {stale.hint}")


def demo(
    folder: Annotated[Path, typer.Argument(help="Folder of the demo's project.")] = Path(
        "demo-news"
    ),
    queue: Annotated[str, typer.Option(help="embedded or label-studio.")] = "embedded",
    store: Annotated[str, typer.Option(help="embedded or lakefs.")] = "embedded",
    json: Json = False,
) -> None:
    """Walk a row's whole path on 2,225 real news articles."""
    from datahub.cli.demo import run

    run(folder, queue=queue, store=store, as_json=json)


def _subject(message: str) -> str:
    return message.splitlines()[0] if message else ""
