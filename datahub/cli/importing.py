"""`datahub import`: its options, and what it tells."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from datahub.cli.consent import Yes, consent, say_set_aside
from datahub.cli.context import Branch, Dataset, Json, open_hub
from datahub.cli.output import emit_json, line, talk
from datahub.core.class_names import first_names
from datahub.core.errors import ConfigError
from datahub.hub import results

if TYPE_CHECKING:
    from datahub.flow.rows.source import ImportReport, Mode

_MAX_NAMES = 10  # files in a message

Source = Annotated[
    Path, typer.Argument(help="Parquet, ORC, CSV or JSONL; or a folder of such files.")
]
KeyColumn = Annotated[
    str | None, typer.Option(help="Column that identifies each row (default: one is made).")
]
GoldColumn = Annotated[
    str | None, typer.Option(help="Column of true labels: used only to report accuracy.")
]
Classes = Annotated[
    str, typer.Option(help="Class names in order, a,b,c (default: those of --gold).")
]
GoldMap = Annotated[
    list[str] | None,
    typer.Option(
        help="What a value of gold means, may be repeated: --gold-map no=0 or no=ham; no= is "
        "no gold."
    ),
]
TextColumn = Annotated[
    str | None, typer.Option(help="Text column that people read (default: the only one).")
]
Separator = Annotated[
    str, typer.Option(help="Between values of CSV: one character, or tab (default: a comma).")
]
Encoding = Annotated[str, typer.Option(help="Of CSV and JSONL, such as latin-1 (default: UTF-8).")]
Append = Annotated[bool, typer.Option("--append", help="Add these rows to those of the dataset.")]
Upsert = Annotated[
    bool,
    typer.Option(
        "--upsert", help="Like --append, but a row with a known key replaces the old row."
    ),
]
InPlace = Annotated[
    bool,
    typer.Option(
        "--in-place",
        help="Take sorted files as parts without copying them, as clones (reflinks).",
    ),
]
HardLink = Annotated[
    bool,
    typer.Option(
        "--hard-link",
        help="Where files cannot be cloned: use the files themselves. They become read-only.",
    ),
]
NoPartitions = Annotated[
    bool,
    typer.Option("--no-partitions", help="Make no columns from folder names such as klass=spam."),
]


def import_(
    path: Source,
    dataset: Dataset = None,
    key: KeyColumn = None,
    gold: GoldColumn = None,
    classes: Classes = "",
    gold_map: GoldMap = None,
    text: TextColumn = None,
    separator: Separator = "",
    encoding: Encoding = "",
    append: Append = False,
    upsert: Upsert = False,
    in_place: InPlace = False,
    hard_link: HardLink = False,
    yes: Yes = False,
    no_partitions: NoPartitions = False,
    branch: Branch = None,
    json: Json = False,
) -> None:
    """Make the rows of a file or a folder a dataset, or (by default) all of a dataset's rows."""
    mode = _mode(append=append, upsert=upsert)
    with open_hub(branch) as hub:
        report = hub.import_rows(
            path,
            dataset=dataset,
            key=key,
            gold=gold,
            classes=[name for name in classes.split(",") if name.strip()],
            text=text,
            mode=mode,
            in_place=in_place,
            hard_link=hard_link,
            set_aside=consent(yes=yes),
            partitions=not no_partitions,
            separator=separator,
            encoding=encoding,
            gold_map=_gold_map(gold_map or ()),
        )
    _tell(report, gold=gold, json=json)


def _mode(*, append: bool, upsert: bool) -> Mode:
    if append and upsert:
        raise ConfigError("--append refuses keys that --upsert replaces.", hint="Give one.")
    return "append" if append else "upsert" if upsert else "replace"


def _tell(report: ImportReport, *, gold: str | None, json: bool) -> None:
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
