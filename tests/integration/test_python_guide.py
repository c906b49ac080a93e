"""The guide for Python users is run as it stands."""

from __future__ import annotations

import doctest
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

GUIDE = Path(__file__).parents[2] / "docs" / "python.md"


def test_the_python_guide_runs_as_it_stands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each call returns what the page shows."""
    monkeypatch.chdir(tmp_path)
    found = doctest.testfile(
        str(GUIDE), module_relative=False, encoding="utf-8", optionflags=doctest.REPORT_NDIFF
    )

    assert found.attempted > 30
    assert found.failed == 0, capsys.readouterr().out
