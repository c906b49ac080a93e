"""How the tests themselves are run."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

FILE = """
import os

import pytest


@pytest.fixture(scope="module")
def server():
    with open("starts", "a") as starts:
        starts.write("started\\n")


@pytest.mark.parametrize("number", range(20))
def test_needs_the_server(server, number):
    pass
"""


@pytest.mark.slow
def test_two_processes_share_out_files_and_start_nothing_twice(tmp_path: Path) -> None:
    """Pytest 9.2 scattered them one by one in silence: groups of pytest-xdist 3.8 had no effect."""
    conftest = Path(__file__).parents[1] / "conftest.py"
    folder = tmp_path / "tests"
    folder.mkdir()
    (folder / "conftest.py").write_text(
        f"import sys\nsys.path.insert(0, {str(conftest.parents[1])!r})\n"
        "from tests.conftest import pytest_collection_modifyitems\n"
    )
    for name in ("test_one.py", "test_other.py"):
        (folder / name).write_text(FILE)
    options = re.search(r"pytest -n \$\(TEST_JOBS\) (.*) \\$", _makefile(), re.MULTILINE)
    assert options is not None

    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-n", "2", *options[1].split()],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )

    assert "40 passed" in run.stdout, run.stdout + run.stderr
    assert (tmp_path / "starts").read_text().splitlines() == ["started"] * 2


def _makefile() -> str:
    return (Path(__file__).parents[2] / "Makefile").read_text()
