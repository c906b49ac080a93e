"""Snorkel's NLP labeling functions in a project's folder, over a spaCy pipeline of its own."""

from __future__ import annotations

from pathlib import Path

import pytest
import spacy

from tests.integration.conftest import Datahub

NLP = """\
from pathlib import Path

from snorkel.labeling.lf.nlp import nlp_labeling_function

PIPELINE = str(Path(__file__).parents[1] / "words")


@nlp_labeling_function(language=PIPELINE)
def prize(x):
    return 1 if any(one.label_ == "PRIZE" for one in x.doc.ents) else -1
"""


@pytest.mark.slow
@pytest.mark.usefixtures("no_pipeline_yet")
def test_an_nlp_lf_runs_from_the_command_line_on_one_process_and_on_two(
    datahub: Datahub, project: Path
) -> None:
    """It loads a pipeline from a file, so it always runs again, and is named."""
    english = spacy.blank("en")
    ruler = english.add_pipe("entity_ruler")
    ruler.add_patterns([{"label": "PRIZE", "pattern": [{"LOWER": "free"}]}])  # type: ignore[attr-defined]
    english.to_disk(project / "words")
    (project / "labeling_functions" / "nlp.py").write_text(NLP)

    one = datahub("lf", "run", "--json")
    two = datahub("lf", "run", "--jobs", "2", "--json").json

    assert one.code == 0, one.err
    (seen,) = [lf for lf in one.json["table"] if lf["name"] == "prize"]
    assert seen["polarity"] == [1]
    assert seen["coverage"] > 0
    assert one.json["table"] == two["table"]
    assert "prize" in two["reuse"]["unsafe"]
    tried = datahub("lf", "test", "prize").out
    assert "0 faults" in tried
