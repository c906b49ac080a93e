"""`merge` and `gate run` stopped where the catalog was down: the version store is the truth."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.integration.conftest import Datahub

NOWHERE = "postgresql+psycopg://nobody:nothing@127.0.0.1:9/none"
WARNING = "the refusal is not recorded in the catalog"


@pytest.fixture
def without_catalog(labeled: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Labels on `work`, main guarded, and a catalog at an address where nothing listens."""
    monkeypatch.setenv("DATAHUB_CATALOG_URL", NOWHERE)
    return labeled


def _refusing(datahub: Datahub, project: Path) -> None:
    """A gate that the labels do not pass."""
    kwargs = {"column": "label", "value_set": ["neither"]}
    check = {"type": "expect_column_values_to_be_in_set", "kwargs": kwargs}
    suite = {"name": "labels", "expectations": [check]}
    (project / "expectations" / "labels.json").write_text(json.dumps(suite))
    ran = datahub("gate", "set", "--reason", "neither")
    assert ran.code == 0, ran.err


def test_a_merge_passes_and_lands_without_a_catalog(
    datahub: Datahub, without_catalog: Path
) -> None:
    judged = datahub("gate", "run", "work")
    ran = datahub("merge", "work", "--into", "main")

    assert (judged.code, judged.err.count("warning")) == (0, 0), judged.err
    assert ran.code == 0, ran.err
    assert ran.err.count("not in the catalog") == 1
    assert datahub("audit").code == 0


def test_a_refusal_without_a_catalog_is_a_refusal_and_one_warning(
    datahub: Datahub, without_catalog: Path
) -> None:
    _refusing(datahub, without_catalog)

    judged = datahub("gate", "run", "work", "--json")
    ran = datahub("merge", "work", "--into", "main")

    assert (judged.code, judged.json["passed"], judged.err.count(WARNING)) == (1, False, 1)
    assert (ran.code, ran.err.count(WARNING)) == (1, 1)
    assert "gate_refused" in ran.err


def test_status_goes_on_and_asking_for_refusals_does_not(
    datahub: Datahub, without_catalog: Path
) -> None:
    """What can be said is said; what lies in the catalog alone is an error."""
    status = datahub("status")

    assert status.code == 0, status.err
    assert status.err.count("rows that wait for an answer are not counted") == 1
    assert datahub("gate", "refusals").code == 6
