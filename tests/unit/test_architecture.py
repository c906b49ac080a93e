"""Each rule of the house is seen to fail on a deliberate breach, in a copy of the code."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

HERE = Path(__file__).parents[2]
CONTRACTS = {
    one["id"]: one["name"]
    for one in tomllib.loads((HERE / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"][
        "contracts"
    ]
}
BREACHES = {
    "core imports flow": ("layers", "datahub/core/labels.py", "import datahub.flow"),
    "ports import hub": ("layers", "datahub/ports/__init__.py", "import datahub.hub"),
    "flow imports config": ("layers", "datahub/flow/__init__.py", "import datahub.config"),
    "a module in no layer": ("layers", "datahub/utils.py", ""),
    "an adapter imports another": (
        "adapters-apart",
        "datahub/adapters/one.py",
        "import datahub.adapters.lfs_folder",
    ),
    "cli imports an adapter": (
        "adapters-protected",
        "datahub/cli/__init__.py",
        "import datahub.adapters.lfs_folder",
    ),
    "errors import the values that they hold": (
        "core-in-order",
        "datahub/core/error_kinds.py",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import datahub.core.verdict",
    ),
    "core imports os": ("pure", "datahub/core/labels.py", "import os"),
    "ports import a clock": ("pure", "datahub/ports/__init__.py", "import time"),
    "flow imports sqlalchemy": ("pure", "datahub/flow/__init__.py", "import sqlalchemy"),
    "flow imports pyarrow in a function": (
        "pure",
        "datahub/flow/__init__.py",
        "def f():\n    from pyarrow import parquet",
    ),
    "flow imports machine": ("machine-below", "datahub/flow/__init__.py", "import datahub.machine"),
    "a room imports a higher one": (
        "rooms",
        "datahub/flow/dataset/tables.py",
        "import datahub.flow.label.fit",
    ),
    "a use case in no room": ("rooms", "datahub/flow/utils.py", ""),
    "machine imports polars": ("machine-plain", "datahub/machine/__init__.py", "import polars"),
    "an LF imports core": ("user-land", "labeling_functions/mine.py", "import datahub.core.labels"),
    "an LF imports hub": ("user-land", "labeling_functions/mine.py", "from datahub import hub"),
}


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The code and its rules, where a breach does no harm."""
    ignored = shutil.ignore_patterns("__pycache__")
    for folder in ("datahub", "labeling_functions"):
        shutil.copytree(HERE / folder, tmp_path / folder, ignore=ignored)
    shutil.copy(HERE / "pyproject.toml", tmp_path)
    return tmp_path


def ran(code: str, *arguments: str, at: Path) -> subprocess.CompletedProcess[str]:
    """Run a checker of this environment on the copy, and on nothing else."""
    environment = {**os.environ, "COLUMNS": "200", "NO_COLOR": "1", "PYTHONPATH": str(at)}
    command = [sys.executable, *code.split(maxsplit=1), *arguments]
    return subprocess.run(
        command, cwd=at, env=environment, capture_output=True, text=True, timeout=60
    )


def broken(at: Path) -> set[str]:
    """Ids of the contracts that import-linter finds broken."""
    code = "-c from importlinter.cli import lint_imports_command; lint_imports_command()"
    result = ran(code, "--no-logo", at=at)
    names = set(re.findall(r"^(.+) BROKEN$", result.stdout, re.MULTILINE))
    kept = set(re.findall(r"^(.+) KEPT$", result.stdout, re.MULTILINE))
    assert names | kept == set(CONTRACTS.values()), result.stdout + result.stderr
    assert (result.returncode != 0) == bool(names)
    return {one for one, name in CONTRACTS.items() if name in names}


def breached(at: Path, file: str, text: str) -> None:
    with (at / file).open("a", encoding="utf-8") as opened:
        opened.write(f"\n{text}\n")


def test_the_code_as_it_is_keeps_every_contract(copy: Path) -> None:
    assert broken(copy) == set()


@pytest.mark.parametrize("breach", BREACHES)
def test_a_breach_breaks_its_contract_and_no_other(copy: Path, breach: str) -> None:
    contract, file, text = BREACHES[breach]
    breached(copy, file, text)

    # What reaches hub from below also reaches every room of flow, by way of hub.
    besides = {"rooms"} if breach == "ports import hub" else set()
    assert broken(copy) == {contract} | besides


def test_every_contract_has_a_breach_that_shows_it() -> None:
    assert {contract for contract, _, _ in BREACHES.values()} == set(CONTRACTS)


@pytest.mark.parametrize(
    ("file", "banned"),
    [
        ("datahub/flow/__init__.py", ["TID251"]),
        ("datahub/adapters/gate.py", ["TID251"]),
        ("datahub/adapters/rows_polars/opening.py", []),
    ],
)
@pytest.mark.parametrize("name", ["scan_parquet", "read_csv"])
def test_only_the_rows_adapter_may_read_tables(
    copy: Path, file: str, name: str, banned: list[str]
) -> None:
    (copy / file).write_text(f"import polars as pl\n\nframe = pl.{name}('a')\n", encoding="utf-8")

    result = ran(
        "-m ruff",
        "check",
        "--no-cache",
        "--select=TID251",
        "--output-format=concise",
        file,
        at=copy,
    )

    assert re.findall("TID251", result.stdout) == banned, result.stdout + result.stderr
    assert result.returncode == len(banned)
