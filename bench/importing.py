"""Rows in and voted on, by the commands.

`datahub import` of a folder of files with short texts in no order, then `datahub lf run` of ten
declarative LFs, each a process of its own as a user starts it. CPU-seconds are of both and their
children. Held to the limit is the process of each command: the figures beside name them. The
table's peak may count what measures (70 MB) with them; what reads ORC, 160 MB at most, is a process
beside.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl

from bench.harness import Case, Figures, Result, Watch
from bench.lfs_made import CLASSES, DECLARED, texts, write_lfs
from datahub.core.dataset import ROWS_PER_PART

MILLION = 1_000_000
LIMIT_MB = 450
PER_FILE = 500_000

Side = Callable[[Watch], Figures | None]


def made(watch: Watch, rows: int, suffix: str) -> Path:
    """A folder of files, every one of which holds keys of the whole range, made where it is not."""
    from datahub.hub.registry import adapter

    folder = watch.scratch / f"texts_{rows}{suffix}"
    if folder.exists():
        return folder
    half = folder.with_name(folder.name + ".half")
    shutil.rmtree(half, ignore_errors=True)
    half.mkdir(parents=True)
    written, files = adapter("rows", "polars")(), rows // PER_FILE
    for number, place in enumerate(np.random.default_rng(0).permutation(files)):
        parts = range(PER_FILE // ROWS_PER_PART)
        frame = pl.concat(texts(int(place) * len(parts) + part) for part in parts)
        key = pl.int_range(pl.len()) * files + int(place)
        frame = frame.with_columns(id=key).sample(fraction=1, shuffle=True, seed=1)
        written.write(frame, half / f"{number:04d}{suffix}")
    half.rename(folder)
    return folder


def preparing(rows: int, suffix: str) -> Side:
    """Make the files."""

    def prepare(watch: Watch) -> None:
        made(watch, rows, suffix)

    return prepare


def taken_in(rows: int, suffix: str) -> Side:
    """A new project, all rows, all votes."""

    def side(watch: Watch) -> Figures:
        source = made(watch, rows, suffix)
        folder = watch.scratch / f"importing-{os.getpid()}"
        folder.mkdir(parents=True)
        try:
            command(folder, "init")
            write_lfs(folder, DECLARED)
            with watch.timed():
                words = ["-d", "news", "--key", "id", "--classes", ",".join(CLASSES)]
                took = command(folder, "import", str(source), *words)
                voted = command(folder, "lf", "run", "-d", "news")
        finally:
            shutil.rmtree(folder)
        return {"rows": rows, "import": took, "lf run": voted}

    return side


def command(folder: Path, *words: str) -> dict[str, float]:
    """Run datahub in a project; what it cost."""
    started = subprocess.Popen(
        [sys.executable, "-m", "datahub.cli.app", *words], cwd=folder, stdout=subprocess.DEVNULL
    )
    _, status, used = os.wait4(started.pid, 0)
    started.returncode = os.waitstatus_to_exitcode(status)
    if started.returncode:
        raise RuntimeError(f"datahub {words[0]} ended with {started.returncode}")
    return {
        "cpu": round(used.ru_utime + used.ru_stime, 2),
        "peak_mb": used.ru_maxrss * 1024 / 1e6,
    }


def within_memory(result: Result) -> bool:
    """Neither command's process held more than was promised."""
    ours = result.figures["ours"]
    return all(ours[command]["peak_mb"] <= LIMIT_MB for command in ("import", "lf run"))


def path_of(millions: int, suffix: str) -> Case:
    """Rows of one format, from files to votes."""
    kind = suffix.lstrip(".")
    return Case(
        f"import_run_{millions}m_{kind}",
        f"Import {millions}M short texts in no order from {_NAMES[kind]}, then run ten LFs",
        taken_in(millions * MILLION, suffix),
        no_peer="no peer keeps rows by key",
        prepare=preparing(millions * MILLION, suffix),
        goal=f"each command within {LIMIT_MB} MB",
        met=within_memory,
        timeout=7200.0,
    )


_NAMES = {"parquet": "Parquet", "orc": "ORC"}
CASES = tuple(path_of(millions, suffix) for millions in (2, 100) for suffix in (".parquet", ".orc"))
