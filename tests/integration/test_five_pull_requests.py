"""Five pull requests on the demo's articles, from start to comment: ci/walk.py."""

from __future__ import annotations

import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import pytest

from datahub.core.gate_report import COMMENT_LIMIT
from tests.integration.conftest import Datahub

WALK = Path(__file__).parents[2] / "ci" / "walk.py"


def script() -> Any:
    spec = spec_from_file_location("walk", WALK)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    sys.modules["walk"] = module
    spec.loader.exec_module(module)
    return module


def head(comment: str) -> str:
    """What of a comment is seen before anything is opened."""
    return comment.partition("<details>")[0]


@pytest.mark.slow
def test_five_pull_requests_get_the_right_answers(datahub: Datahub, tmp_path: Path) -> None:
    """And comments that say why, before anything is opened."""
    answers = script().walk(tmp_path, lambda *words: datahub(*words).code)

    codes = {name: answer.code for name, answer in answers.items()}
    assert codes == {"careless": 1, "good": 0, "not_run": 1, "softer": 1, "fork": 0}
    assert all(len(answer.comment) < COMMENT_LIMIT for answer in answers.values())
    careless, good, not_run, softer, fork = (head(answer.comment) for answer in answers.values())
    assert careless.startswith("### Change of `main`: refused")
    assert "rows on which week conflicts: 14" in careless
    assert "LFs new: `week`" in careless
    assert "flip" not in careless.partition("**Refused because**")[2].partition("**Warned")[0]
    assert good.startswith("### Change of `main`: passed")
    assert "LFs new: `on_the_pitch`" in good
    assert "Refused because" not in good
    assert not_run.startswith("### Gate of `main`: refused")
    assert "LFs edited since the votes on news: company_results" in not_run
    assert softer.startswith("### Change of `main`: refused")
    weaker = "weaker: `expectations/labels.json: expect_lf_conflict_rate_to_be_at_most: refuse"
    assert f"{weaker} 0.12 -> 0.9`" in softer
    assert "They would pass here." in softer
    assert fork.startswith("### Change of `main`: passed")
    assert "The votes came in a file" in fork
    assert "lands nothing" in fork
    assert "LFs new: `on_the_pitch`" in fork
