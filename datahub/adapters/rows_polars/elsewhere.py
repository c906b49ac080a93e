"""Rows in a store that speaks S3: read a range at a time, so that no whole file is ever here."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import polars as pl
import pyarrow as pa

from datahub.adapters.rows_polars import parquet, sources
from datahub.adapters.rows_polars.opening import format_of, translate_errors
from datahub.core.errors import DatahubError, SourceError, Unavailable
from datahub.core.nulltypes import cast_frame, common_schema
from datahub.ports import Remote

_REGION = "us-east-1"  # stores of one's own take any
_BATCH = 50_000  # rows
_SUFFIXES = {".parquet": "parquet", ".orc": "orc"}


@dataclass(frozen=True)
class Elsewhere:
    """One file in such a store."""

    remote: Remote
    address: str

    def __str__(self) -> str:
        return f"s3://{self.address}"

    def open_file(self) -> Any:
        """A file of pyarrow's that asks for ranges."""
        from pyarrow.fs import S3FileSystem

        return S3FileSystem(**self.access()).open_input_file(self.address)

    def access(self) -> dict[str, Any]:
        """What opens it, as pyarrow names it."""
        where = urlsplit(self.remote.endpoint)
        return {
            "endpoint_override": where.netloc,
            "scheme": where.scheme,
            "region": _REGION,
            "access_key": self.remote.access_key_id,
            "secret_key": self.remote.secret_access_key,
        }


def files_of(remote: Remote) -> list[Elsewhere]:
    """Its files, one by one."""
    return [Elsewhere(remote, address) for address in remote.addresses]


def recognise(file: Elsewhere) -> str:
    """Parquet or orc, by the suffix or else by the first bytes. Raises SourceError."""
    for suffix, kind in _SUFFIXES.items():
        if file.address.endswith(suffix):
            return kind
    with file.open_file() as handle:
        file_format = format_of(handle.read(4))
    if file_format is not None:
        return file_format
    raise SourceError(
        f"{file} has an unknown format.", hint="From a server, datahub reads Parquet and ORC."
    )


def parquet_frames(
    file: Elsewhere, columns: Sequence[str] | None, size: int
) -> tuple[pl.Schema, Iterator[pl.DataFrame]]:
    """The types of a Parquet file's columns, and its frames of at most `size` rows."""
    handle = file.open_file()
    form = parquet.form_of(handle, str(file))
    names = list(columns or form.schema.names())
    return form.schema, parquet.frames(handle, str(file), form, names, size)


def scan_parquet(remote: Remote) -> pl.LazyFrame:
    """Exactly these files, read by polars where it reads each rightly, else by pyarrow."""
    native = [_native_scan(remote, [address]) for address in remote.addresses]
    files = files_of(remote)
    looked_at = files[:1] if remote.are_parts else files
    forms = [
        parquet.form_of(file.open_file(), str(file), native=scan)
        for file, scan in zip(looked_at, native[: len(looked_at)], strict=True)
    ]
    schema = common_schema(
        (Path(str(file)), form.schema) for file, form in zip(looked_at, forms, strict=True)
    )
    if all(form.plain and form.schema == schema for form in forms):
        return parquet.fitted_lazily(_native_scan(remote, remote.addresses), forms)
    return sources.scan(lambda columns: _frames(files, schema, columns), schema, "PARQUET")


def _frames(
    files: Sequence[Elsewhere], schema: pl.Schema, columns: Sequence[str]
) -> Iterator[pl.DataFrame]:
    for file in files:
        with translate_errors(str(file)), translate_store_errors(file):
            _, frames = parquet_frames(file, columns, _BATCH)
            for frame in frames:
                yield cast_frame(frame, schema)


def _native_scan(remote: Remote, addresses: Sequence[str]) -> pl.LazyFrame:
    """The keys are no part of the plan, so no print of it shows them."""
    keys = {
        "aws_access_key_id": remote.access_key_id,
        "aws_secret_access_key": remote.secret_access_key,
    }
    return pl.scan_parquet(
        [f"s3://{address}" for address in addresses],
        glob=False,
        hive_partitioning=False,
        storage_options={
            "aws_endpoint_url": remote.endpoint,
            "aws_region": _REGION,
            "aws_allow_http": "true",
            "aws_virtual_hosted_style_request": "false",
        },
        credential_provider=lambda: (keys, None),
    )


@contextmanager
def translate_store_errors(file: Elsewhere | Remote) -> Iterator[None]:
    """Raise Unavailable for what the store or the way to it does not give."""
    try:
        yield
    except DatahubError:
        raise
    except (OSError, pl.exceptions.ComputeError) as error:
        if isinstance(error, pa.ArrowInvalid):
            raise
        raise Unavailable(
            f"{file if isinstance(file, Elsewhere) else file.endpoint} could not be read: "
            f"{str(error).splitlines()[0][:300]}",
            hint="Is the server up, and may this key read there? Run the command again then.",
            backend="s3",
        ) from error
