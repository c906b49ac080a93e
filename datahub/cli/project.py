"""Commands of the project itself: init, import, export, status, demo."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from datahub.cli.consent import Yes, consent, say_set_aside
from datahub.cli.context import Branch, Dataset, Json, Ref, open_hub
from datahub.cli.output import brief, emit_json, line, talk, waiting
from datahub.cli.output import table as table_of
from datahub.cli.state import state
from datahub.core.class_names import first_names
from datahub.core.errors import ConfigError
from datahub.hub import results

if TYPE_CHECKING:
    from datahub.flow.rows.source import ImportReport

_MAX_NAMES = 10  # files in a message


def add_to(app: typer.Typer) -> None:
    """Add the commands to the root group."""
    app.command()(init)
    app.command("import")(import_)
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


def import_(
    path: Annotated[
        Path,
        typer.Argument(help="Parquet, ORC, CSV or JSONL; or a folder of such files."),
    ],
    dataset: Dataset = None,
    key: Annotated[
        str | None, typer.Option(help="Column that identifies each row (default: one is made).")
    ] = None,
    gold: Annotated[
        str | None, typer.Option(help="Column of true labels: used only to report accuracy.")
    ] = None,
    classes: Annotated[
        str, typer.Option(help="Class names in order, a,b,c (default: those of --gold).")
    ] = "",
    gold_map: Annotated[
        list[str] | None,
        typer.Option(
            help="What a value of gold means, may be repeated: --gold-map no=0 or no=ham; no= is "
            "no gold."
        ),
    ] = None,
    text: Annotated[
        str | None, typer.Option(help="Text column that people read (default: the only one).")
    ] = None,
    separator: Annotated[
        str, typer.Option(help="Between values of CSV: one character, or tab (default: a comma).")
    ] = "",
    encoding: Annotated[
        str, typer.Option(help="Of CSV and JSONL, such as latin-1 (default: UTF-8).")
    ] = "",
    append: Annotated[
        bool, typer.Option("--append", help="Add these rows to those of the dataset.")
    ] = False,
    upsert: Annotated[
        bool,
        typer.Option(
            "--upsert", help="Like --append, but a row with a known key replaces the old row."
        ),
    ] = False,
    in_place: Annotated[
        bool,
        typer.Option(
            "--in-place",
            help="Take sorted files as parts without copying them, as clones (reflinks).",
        ),
    ] = False,
    hard_link: Annotated[
        bool,
        typer.Option(
            "--hard-link",
            help="Where files cannot be cloned: use the files themselves. They become read-only.",
        ),
    ] = False,
    yes: Yes = False,
    no_partitions: Annotated[
        bool,
        typer.Option(
            "--no-partitions",
            help="Make no columns from folder names such as klass=spam.",
        ),
    ] = False,
    branch: Branch = None,
    json: Json = False,
) -> None:
    """Make the rows of a file or a folder a dataset, or (by default) all of a dataset's rows."""
    if append and upsert:
        raise ConfigError("--append refuses keys that --upsert replaces.", hint="Give one.")
    names = [name for name in classes.split(",") if name.strip()]
    with open_hub(branch) as hub:
        report = hub.import_rows(
            path,
            dataset=dataset,
            key=key,
            gold=gold,
            classes=names,
            text=text,
            mode="append" if append else "upsert" if upsert else "replace",
            in_place=in_place,
            hard_link=hard_link,
            set_aside=consent(yes=yes),
            partitions=not no_partitions,
            separator=separator,
            encoding=encoding,
            gold_map=_gold_map(gold_map or ()),
        )
    for note in _aside(report, gold=gold):
        talk(note)
    if json:
        emit_json(results.Imported.of(report))
        return
    target = report.dataset
    origin = "made from content" if target.key_made else "given"
    line(
        f"{target.rows} rows in {target.name}, key {target.key} ({origin}), {report.commit.id[:12]}"
    )
    line(f"classes: {first_names(target.classes) or 'none yet: name them with --classes'}")
    if report.kept or report.unlabeled:
        from datahub.core.kept import FIT

        line(f"labels: {report.kept} rows keep theirs, {report.unlabeled} have none yet: {FIT}")
    say_set_aside(report.set_aside)


def _gold_map(texts: Sequence[str]) -> dict[str, str]:
    mapping: dict[str, str] = {}
    for text in texts:
        value, sign, name = text.rpartition("=")
        if not sign or mapping.setdefault(value, name) != name:
            raise ConfigError(
                f"--gold-map {text!r} says no class of a value, or a second one.",
                hint="Say VALUE=CLASS once for each value: --gold-map no=ham --gold-map yes=spam",
            )
    return mapping


def _aside(report: ImportReport, *, gold: str | None) -> Iterator[str]:
    """What of the files is no row and no column, and what could be the key."""
    if report.left_out:
        more = report.left_out_count - _MAX_NAMES
        names = ", ".join(report.left_out[:_MAX_NAMES]) + (f" and {more} more" if more > 0 else "")
        yield f"left out, as no file of rows: {names}"
    dataset = report.dataset
    columns = {name for name, _ in dataset.columns}
    for name in report.index.columns:
        if name not in columns and name != gold:
            yield f"left out: {name!r}, the index of pandas; --key {name} makes it the key"
        elif name in columns and dataset.key_made:
            yield f"{name!r} is the index of pandas: --key {name} makes it the key"
    for name in report.index.ranges:
        yield (
            f"{name!r} is no column: pandas kept its index as a mere range. "
            "Write the file after reset_index() to import it."
        )


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
