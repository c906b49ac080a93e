"""What one LF writes into a memoized preprocessor's result, no other LF sees."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from snorkel.labeling import LabelingFunction, labeling_function
from snorkel.preprocess import preprocessor

from datahub.core.labeling import apply
from datahub.core.memory import apart
from tests.integration.conftest import Datahub

LFS = """
from snorkel.labeling import labeling_function
from snorkel.preprocess import preprocessor


@preprocessor(memoize=True)
def words(x):
    x.tokens = x.text.split()
    return x


@labeling_function(pre=[words])
def a_first(x):
    x.tokens.append("seen")
    return 1 if len(x.tokens) > 5 else 0


@labeling_function(pre=[words])
def b_second(x):
    return 1 if len(x.tokens) > 2 else 0
"""


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_votes_do_not_depend_on_which_lfs_run(datahub: Datahub, tmp_path: Path, jobs: str) -> None:
    """A fresh run, and one after an edit of the second LF that changes nothing, are the same."""
    pl.DataFrame({"id": range(50), "text": [f"word {i}" for i in range(50)]}).write_parquet(
        tmp_path / "rows.parquet"
    )
    datahub("init", "--dataset", "rows")
    datahub("import", "rows.parquet", "--key", "id", "--classes", "no,yes")
    file = tmp_path / "labeling_functions" / "first.py"
    file.write_text(LFS)
    fresh = datahub("lf", "run", "--jobs", jobs, "--json").json
    file.write_text(LFS.replace("> 2 ", "> 2.0 "))
    again = datahub("lf", "run", "--jobs", jobs, "--json").json

    assert [lf["polarity"] for lf in fresh["table"]] == [[0], [0]]
    assert json.dumps(again["table"]) == json.dumps(fresh["table"])


def _writers() -> list[LabelingFunction]:
    """LFs that all write into what two preprocessors, one on top of the other, remember."""

    @preprocessor(memoize=True)
    def parsed(x):  # type: ignore[no-untyped-def]
        x.parts = {"words": x.text.split(), "seen": [0], "vector": np.zeros(1)}
        return x

    @preprocessor(memoize=True, pre=[parsed])
    def counted(x):  # type: ignore[no-untyped-def]
        x.counts = [len(x.parts["words"])]
        return x

    def made(number: int) -> LabelingFunction:
        @labeling_function(name=f"lf_{number}", pre=[(parsed, counted)[number % 2]])
        def writes(x):  # type: ignore[no-untyped-def]
            clean = x.parts["seen"] == [0] and x.parts["vector"][0] == 0 and not hasattr(x, "mark")
            clean = clean and getattr(x, "counts", [len(x.parts["words"])])[-1] >= 0
            x.parts["seen"].append(number)
            x.parts["vector"][0] = 1
            x.mark = number
            if hasattr(x, "counts"):
                x.counts.append(-1)
            return 1 if clean else 0

        return writes

    return [made(number) for number in range(4)]


@given(
    st.lists(st.sampled_from(["a", "a b", ""]), min_size=1, max_size=5), st.permutations(range(4))
)
def test_whatever_lfs_write_none_of_them_sees(texts: list[str], order: list[int]) -> None:
    """Equal rows, lists, arrays and attributes, in any order of LFs."""
    lfs = _writers()
    frame = pl.DataFrame({"id": range(len(texts)), "text": texts})

    applied = apply(frame, [lfs[number] for number in order], key="id", cardinality=2)

    assert applied.fault_counts == (0,) * 4
    assert (applied.votes == 1).all()


class Uncopied:
    """What refuses to be copied, as spaCy's spans do."""

    def __init__(self) -> None:
        self.seen: list[int] = []

    def __reduce_ex__(self, protocol: object) -> str:
        raise NotImplementedError("not to be pickled")


def test_what_cannot_be_copied_is_computed_for_each_lf() -> None:
    """No LF fails for it, and none sees what another wrote."""

    @preprocessor(memoize=True)
    def parsed(x):  # type: ignore[no-untyped-def]
        x.span = Uncopied()
        return x

    def made(number: int) -> LabelingFunction:
        @labeling_function(name=f"lf_{number}", pre=[parsed])
        def writes(x):  # type: ignore[no-untyped-def]
            x.span.seen.append(number)
            return 1 if x.span.seen == [number] else 0

        return writes

    frame = pl.DataFrame({"id": range(4), "text": ["a", "b", "a", "a"]})

    applied = apply(frame, [made(0), made(1)], key="id", cardinality=2)

    assert applied.fault_counts == (0, 0)
    assert (applied.votes == 1).all()


@st.composite
def tangled(draw: st.DrawFn) -> object:
    """Containers in containers, some of them in many places, some inside themselves."""
    made: list[object] = [1, "a", ("b", 2)]
    for kind in draw(st.lists(st.sampled_from("ldtns"), min_size=1, max_size=8)):
        items = draw(st.lists(st.integers(0, len(made) - 1), max_size=3))
        some = [made[at] for at in items]
        new: object = {
            "l": list(some),
            "d": {f"{i}": item for i, item in enumerate(some)},
            "t": tuple(some),
            "n": SimpleNamespace(**{f"a{i}": item for i, item in enumerate(some)}),
            "s": set(items),
        }[kind]
        made.append(new)
        if isinstance(new, list) and draw(st.booleans()):
            new.append(draw(st.sampled_from(made)))
    return [*made, made[-1]]


@given(tangled())
def test_a_copy_is_that_of_deepcopy(value: object) -> None:
    """The same values, the same one in the same places, and nothing shared that can be changed."""
    new, wanted = apart(value), copy.deepcopy(value)

    assert _shape(new, {}) == _shape(wanted, {}) == _shape(value, {})
    assert not set(_mutable(new, {})) & set(_mutable(value, {}))


def _shape(value: object, seen: dict[int, int]) -> object:
    """What it is made of, where what was met before is a number."""
    if isinstance(value, str | int):
        return value
    if id(value) in seen:
        return ("again", seen[id(value)])
    if not isinstance(value, tuple):  # a copy may be itself
        seen[id(value)] = len(seen)
    return (type(value).__name__, [_shape(item, seen) for item in _inside(value)])


def _mutable(value: object, seen: dict[int, object]) -> dict[int, object]:
    if isinstance(value, str | int) or id(value) in seen:
        return seen
    if not isinstance(value, tuple):
        seen[id(value)] = value
    for item in _inside(value):
        _mutable(item, seen)
    return seen


def _inside(value: object) -> list[object]:
    if isinstance(value, SimpleNamespace):
        value = vars(value)
    if isinstance(value, dict):
        return [part for pair in value.items() for part in pair]
    return list(value) if isinstance(value, list | tuple | set) else []
