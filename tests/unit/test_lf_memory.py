"""LFs over many parts: what is held is a part's, whatever has to run."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import pytest

from datahub import keywords
from datahub.flow.dataset import parts
from datahub.flow.dataset.at import At
from datahub.flow.label.views import conflicts, lf_stats
from datahub.ports import FoundLF
from tests.unit.test_lf_reuse import Known, Project

pytestmark = pytest.mark.slow

ROWS, PART, LFS = 390_000, 10_000, 24


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """Short rows in 39 parts; the matrix is 9.4 MB."""
    monkeypatch.setattr(parts, "ROWS_PER_PART", PART)
    made = Project(tmp_path)
    texts = ("goal", "film", "goal film")
    made.take({i: texts[i % 3] for i in range(ROWS)})
    return made


def lfs(edited: int = 0) -> list[Known]:
    found = []
    for j in range(LFS):
        word = "film" if j < edited or j % 2 else "goal"
        digest = sha256(f"{j} {word}".encode()).hexdigest()
        lf = keywords(f"k{j}", [word], j % 2)
        found.append(Known(FoundLF(lf.name, digest, "lfs/a.py", 1, "keywords", safe=True), lf))
    return found


def held_mb(call: Callable[[], object]) -> float:
    """The most memory that Python and numpy held at a time during a call."""
    tracemalloc.start()
    try:
        call()
        return tracemalloc.get_traced_memory()[1] / 1e6
    finally:
        tracemalloc.stop()


def test_no_step_holds_the_matrix(project: Project) -> None:
    """A first run, one with nothing to do, one for one LF, the table, and a look at conflicts."""
    matrix = ROWS * LFS / 1e6
    store, rows = project.store, project.rows

    def disputed() -> object:
        return conflicts(At.of(store, rows, "main", "mail"), "k2", "k3", show=5, seed=0)

    used = {
        "first": held_mb(lambda: project.run(lfs())),
        "nothing to do": held_mb(lambda: project.run(lfs())),
        "one edited": held_mb(lambda: project.run(lfs(edited=1))),
        "stats": held_mb(lambda: lf_stats(At.of(store, rows, "main", "mail"), gold=False)),
        "conflicts": held_mb(disputed),
    }

    assert {what: mb for what, mb in used.items() if mb > matrix / 2} == {}
    assert project.run(lfs(edited=1)).votes == LFS * 2 * ROWS // 3
