"""A process of LFs did not start for a folder's name, and one that had ended was asked again."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from datahub.adapters.lfs_folder import FolderLFSource
from datahub.core.errors import LabelingFunctionError

ENDS = """\
import os
from snorkel.labeling import labeling_function

@labeling_function()
def ends(x):
    os._exit(3)
"""


def test_lfs_are_imported_with_a_path_that_has_an_emoji_and_quotes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What Python imports from is handed to the process as it is."""
    project = tmp_path / '🦊 "it\'s"'
    (project / "labeling_functions").mkdir(parents=True)
    (project / "wordlist.py").write_text("WORDS = ['free']\n")
    (project / "labeling_functions" / "first.py").write_text(
        "from datahub import keywords\nfrom wordlist import WORDS\nlf = keywords('lf', WORDS, 1)\n"
    )
    monkeypatch.syspath_prepend(project)

    lfs = FolderLFSource(project, project / "labeling_functions", sandbox="none").discover()

    assert [lf.name for lf in lfs] == ["lf"]


def test_a_process_that_ended_refuses_each_later_question(tmp_path: Path) -> None:
    """Its pipes are closed; other batches may wait for it."""
    folder = tmp_path / "labeling_functions"
    folder.mkdir()
    (folder / "ends.py").write_text(ENDS)
    source = FolderLFSource(tmp_path, folder, sandbox="none")
    frame = pl.DataFrame({"id": [1], "text": ["free"]})

    with source.workers() as workers:
        for _ in range(2):
            with pytest.raises(LabelingFunctionError, match="ended with 3"):
                list(workers.apply([(frame, workers.lfs)], key="id", cardinality=2))
