"""Datasets as of a ref: their rows by key, why a row has its label, and figures of their LFs."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from fastapi import Query, Request, Response
from starlette.background import BackgroundTask
from starlette.responses import FileResponse, StreamingResponse

from datahub.core.accounts import Right
from datahub.hub import results
from datahub.web import arrow
from datahub.web.asking import Asks
from datahub.web.resource import Resource, answer

if TYPE_CHECKING:
    from datahub.hub import Hub

datasets = Resource("datasets")
rows = Resource("rows")
lfs = Resource("lfs")

PARQUET = "application/vnd.apache.parquet"
At = Annotated[str, Query(description="A branch, a tag or a commit.", max_length=200)]
Table = Annotated[str, Query(description="rows, labels, soft_labels, gold or labeled.")]
Limit = Annotated[int, Query(ge=1, le=1000)]


@datasets.get("/datasets", right=Right.READ, result=list[str])
def list_datasets(ask: Asks, at: At = "main") -> Response:
    """Names of the datasets that a commit holds."""
    return answer(ask.hub().datasets(at))


@datasets.get("/datasets/{dataset}", right=Right.READ, result=results.Dataset)
def get_dataset(dataset: str, ask: Asks, request: Request, at: At = "main") -> Response:
    """A dataset: its columns, classes and parts; its ETag is the commit."""
    hub = ask.hub()
    commit = hub.commit_id(at)
    return answer(results.Dataset.of(hub.dataset(dataset, ref=commit)), request, etag=commit)


@rows.get(
    "/datasets/{dataset}/rows",
    right=Right.READ,
    result=results.RowPage,
    media=(arrow.STREAM, PARQUET),
)
def get_rows(
    dataset: str,
    ask: Asks,
    request: Request,
    at: At = "main",
    table: Table = "labeled",
    columns: Annotated[
        str | None, Query(description="Names, separated by commas.", max_length=2000)
    ] = None,
    after: Annotated[str | None, Query(description="A key.", max_length=2000)] = None,
    limit: Limit = 100,
) -> Response:
    """Rows by key: a page as JSON; the whole table as an Arrow stream or as Parquet.

    `Accept` says which. `after`, `columns` and `limit` are for JSON.
    """
    hub = ask.hub()
    commit = hub.commit_id(at)
    accept = request.headers.get("accept", "")
    if arrow.STREAM in accept:
        frames = hub.batches(dataset, ref=commit, table=table)
        return StreamingResponse(
            arrow.stream(frames), media_type=arrow.STREAM, headers={"ETag": f'"{commit}"'}
        )
    if PARQUET in accept:
        return _parquet(hub, dataset, commit, table)
    names = None if columns is None else [name for name in columns.split(",") if name]
    frame = hub.page(dataset, ref=commit, table=table, columns=names, after=after, limit=limit)
    key = hub.dataset(dataset, ref=commit).key
    lines = frame.to_dicts()
    following = lines[-1][key] if len(lines) == limit else None
    return answer(results.RowPage(commit, key, lines, following), request, etag=commit)


@rows.get("/datasets/{dataset}/parts/{sha256}", right=Right.READ, result=None, media=(PARQUET,))
def get_part(dataset: str, sha256: str, ask: Asks, at: At = "main") -> Response:
    """The rows of a part as Parquet, as they lie; the dataset lists its parts."""
    path = ask.hub().part_file(sha256, dataset, ref=at)
    headers = {"ETag": f'"{sha256}"', "Cache-Control": "private, max-age=31536000, immutable"}
    return FileResponse(path, media_type=PARQUET, headers=headers)


@rows.get("/datasets/{dataset}/why", right=Right.READ, result=results.Why)
def get_why(
    dataset: str,
    ask: Asks,
    key: Annotated[str, Query(max_length=2000)],
    at: At = "main",
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
) -> Response:
    """All that made the label of one row; `limit` is for its history."""
    return answer(results.Why.of(ask.hub().why(key, dataset=dataset, ref=at, limit=limit)))


@lfs.get("/datasets/{dataset}/lfs", right=Right.READ, result=results.LFReport)
def get_lfs(dataset: str, ask: Asks, at: At = "main") -> Response:
    """The LF table of the committed votes: nothing is run."""
    return answer(results.LFReport.of(ask.hub().lf_stats(dataset, ref=at)))


@lfs.get(
    "/datasets/{dataset}/lfs/{first}/conflicts/{second}",
    right=Right.READ,
    result=results.Disagreement,
)
def get_conflicts(
    dataset: str,
    first: str,
    second: str,
    ask: Asks,
    at: At = "main",
    show: Annotated[int, Query(ge=0, le=1000)] = 20,
) -> Response:
    """Rows on which two LFs voted for different classes."""
    disagreement = ask.hub().lf_conflicts(first, second, dataset, ref=at, show=show)
    return answer(results.Disagreement.of(disagreement))


@lfs.get("/datasets/{dataset}/score", right=Right.READ, result=results.Score)
def get_score(dataset: str, ask: Asks, at: At = "main") -> Response:
    """How right the labels are. Slices, which are code, are left out."""
    return answer(results.Score.of(ask.hub().score(dataset, ref=at, slices=False)))


@lfs.get("/datasets/{dataset}/trust", right=Right.READ, result=results.Trust)
def get_trust(dataset: str, ask: Asks, at: At = "main") -> Response:
    """What is accepted and at which measured error, by the rows drawn at random."""
    hub = ask.hub()
    trust = hub.review_report(dataset, ref=at)
    return answer(results.Trust.of(trust, refused=hub.review_refused(dataset)))


def _parquet(hub: Hub, dataset: str, commit: str, table: str) -> Response:
    """The whole table in a file that goes when it is sent."""
    folder = Path(tempfile.mkdtemp(prefix="datahub-rows-"))
    try:
        hub.export_rows(folder / "rows.parquet", dataset=dataset, ref=commit, table=table)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    return FileResponse(
        folder / "rows.parquet",
        media_type=PARQUET,
        headers={"ETag": f'"{commit}"'},
        background=BackgroundTask(shutil.rmtree, folder, ignore_errors=True),
    )
