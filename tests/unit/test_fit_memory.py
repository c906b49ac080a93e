"""Labels with an end model, over many parts: what is held is a part's."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest

from datahub.adapters.endmodel_sklearn import LogisticEndModel
from datahub.core import dependence, patterns
from datahub.core.dataset import Key
from datahub.core.relabel import Decision
from datahub.flow.dataset import parts
from datahub.flow.dataset.at import At
from datahub.flow.label.fit import Fitting, label_fit
from datahub.flow.label.judging_again import judge_again, relabel
from datahub.flow.review.trust import trust
from datahub.hub.registry import adapter
from tests.unit.test_lf_memory import held_mb, lfs
from tests.unit.test_lf_reuse import Project

pytestmark = pytest.mark.slow

FEW, MANY, PART, LFS = 20_000, 80_000, 2_000, 4
END = LogisticEndModel(most_rows=1_000, chunk=1_000)


@contextmanager
def small_blocks() -> Iterator[None]:
    """Whatever is worked on at a time is less than the fewest rows."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(parts, "ROWS_PER_PART", PART)
        patch.setattr(patterns, "_BLOCK", PART)
        patch.setattr(dependence, "SAMPLE", PART)
        yield


def project(folder: Path, rows: int) -> Project:
    """Short rows that four LFs have voted on."""
    made = Project(folder)
    texts = ("goal", "film", "goal film", "neither")
    made.take({i: f"{texts[i % 4]} {i % 77}" for i in range(rows)})
    made.run(lfs()[:LFS])
    return made


def fit(made: Project) -> None:
    step = made.step()
    fitting = Fitting(
        model=adapter("label_model", "anchored")(),
        majority=adapter("label_model", "majority")(),
        end_model=END,
        seed=0,
    )
    label_fit(At.begin(made.store, made.rows, step, "mail"), fitting, step)


def pull(made: Project) -> None:
    """What a pull does once it knows what people decided."""
    at = At.of(made.store, made.rows, "main", "mail")
    decisions: dict[Key, Decision] = {i: Decision("label", "spam", ("a",), 1) for i in range(40)}
    judged = judge_again(at, end_model=END, decisions=decisions, audit_keys=set(range(20)))
    _, lines, _ = relabel(at, judged, step_id="p")
    assert lines > at.dataset.rows / 2  # nearly all are told something else than before


def report(made: Project) -> None:
    trust("mail", ref="main", end_model=END, store=made.store, rows=made.rows)


def grown(folder: Path) -> dict[str, float]:
    """How many MB more each step holds of MANY rows than of FEW."""
    for name in ("few", "many"):
        (folder / name).mkdir()
    with small_blocks():
        few, many = project(folder / "few", FEW), project(folder / "many", MANY)
        fit(few)  # imports what it needs
        return {
            step.__name__: held_mb(partial(step, many)) - held_mb(partial(step, few))
            for step in (fit, pull, report)
        }


def test_what_is_held_does_not_follow_the_rows(tmp_path: Path) -> None:
    """Four times the rows: `label fit`, `review pull` and `review report` hold no table of them.

    In a process of its own: what other tests left behind is not counted.
    """
    ask = (
        "import json, pathlib, sys; from tests.unit.test_fit_memory import grown; "
        "json.dump(grown(pathlib.Path(sys.argv[1])), sys.stdout)"
    )
    bytes_a_row = 16  # for what is counted of each part; a table of numbers would be 16 alone

    told = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", ask, str(tmp_path)],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=False,
    )

    assert told.returncode == 0, told.stderr
    held = json.loads(told.stdout)
    assert held.keys() == {"fit", "pull", "report"}
    assert {what: mb for what, mb in held.items() if mb > (MANY - FEW) * bytes_a_row / 1e6} == {}
