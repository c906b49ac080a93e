"""What a process of LFs prints names its place, and what Snorkel alone needs is not imported."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from datahub.adapters.lfs_folder import FolderLFSource

PRINTS = """\
from snorkel.labeling import labeling_function

print("at import", end="\\n\\n")


def helped():
    print("in a", "helper")


@labeling_function()
def prints(x):
    return helped() or -1
"""
PLAIN = """\
import sys
from snorkel.labeling import labeling_function
from snorkel.preprocess import preprocessor

HEAVY = {"pandas", "scipy", "sklearn"} & set(sys.modules)


@preprocessor(memoize=True)
def lower(x):
    x.text = x.text.lower()
    return x


@labeling_function(pre=[lower])
def heavy(x):
    return len(HEAVY | {"pandas", "scipy", "sklearn"} & set(sys.modules))
"""
ANALYSIS = """\
import numpy as np
from snorkel.labeling import LFAnalysis, PandasLFApplier, filter_unlabeled_dataframe
from snorkel.labeling import labeling_function

VOTES = np.array([[0, 1], [-1, 1], [1, 1]])
analysis = LFAnalysis(VOTES)
COVERAGE = analysis.lf_coverages().tolist()
ACCURACY = analysis.lf_empirical_accuracies(np.array([0, 1, 1])).tolist()
ROWS = len(analysis.lf_summary())

import pandas as pd

FRAME = pd.DataFrame({"n": [1, 2]})


@labeling_function()
def by_number(x):
    return int(x.n)


APPLIED = PandasLFApplier([by_number]).apply(FRAME, progress_bar=False)
LEFT, _ = filter_unlabeled_dataframe(FRAME, np.array([[0.5, 0.5], [1, 0]]), APPLIED)
assert isinstance(LEFT, pd.DataFrame)


@labeling_function()
def analysed(x):
    right = (COVERAGE, ACCURACY, ROWS, APPLIED.tolist()) == (
        [2 / 3, 1.0],
        [1.0, 2 / 3],
        2,
        [[1], [2]],
    )
    return int(right)
"""


def votes(folder: Path, code: str, *, classes: int = 4) -> list[int]:
    """What the last LF of a file votes on one row."""
    import polars as pl

    (folder / "lfs").mkdir()
    (folder / "lfs" / "a.py").write_text(code)
    frame = pl.DataFrame({"id": [1], "text": ["Hello"]})
    with FolderLFSource(folder, folder / "lfs", sandbox="none").workers() as workers:
        last = workers.lfs[-1]
        outputs = workers.apply([(frame, [last])], key="id", cardinality=classes)
        return [int(vote) for output in outputs for vote in output.votes[:, 0]]


def test_what_an_lf_prints_names_the_file_and_the_line(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Also in a helper; a blank line stays one that is told apart."""
    assert votes(tmp_path, PRINTS) == [-1]

    said = capfd.readouterr()
    assert said.out == ""
    assert said.err.splitlines() == [
        "lfs/a.py:3: at import",
        "lfs/a.py:3: ",
        "lfs/a.py:7: in a helper",
    ]


def test_a_plain_snorkel_lf_brings_no_table_library(tmp_path: Path) -> None:
    """Nor does a memoized preprocessor, which asks whether its row is one of pandas."""
    assert votes(tmp_path, PLAIN) == [0]


def test_snorkel_s_analysis_and_appliers_work_in_a_file_of_lfs(tmp_path: Path) -> None:
    """They import what they use when they use it."""
    assert votes(tmp_path, ANALYSIS) == [1]


def test_the_process_that_holds_the_keys_imports_snorkel_as_it_is(tmp_path: Path) -> None:
    """Only a process of LFs has stand-ins."""
    finders = [type(finder).__module__ for finder in sys.meta_path]

    assert not [name for name in finders if "lfs_folder" in name]
