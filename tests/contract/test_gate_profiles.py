"""Profiles of parts: what was measured is not measured again, and never wrongly taken for right."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from datahub.adapters.gate_gx import GreatExpectationsGate
from datahub.adapters.gate_polars import PolarsGate
from datahub.adapters.rows_polars import PolarsRows
from datahub.core.check_result import CheckResult
from datahub.core.errors import GateError
from datahub.core.gate_suite import MOST_BYTES

SUITE = json.dumps(
    {
        "name": "s",
        "expectations": [
            {
                "type": "expect_column_values_to_be_between",
                "kwargs": {"column": "score", "max_value": 5},
            },
            {"type": "expect_column_mean_to_be_between", "kwargs": {"column": "score"}}
            | {"kwargs": {"column": "score", "max_value": 9}},
            {"type": "expect_column_values_to_be_unique", "kwargs": {"column": "key"}},
        ],
    }
).encode()


class Counted(PolarsRows):
    """The real rows, which say how many files were read."""

    reads = 0

    def read(self, *args: Any, **options: Any) -> pl.DataFrame:
        Counted.reads += 1
        return super().read(*args, **options)


def part(folder: Path, numbers: range, score: float = 1.0) -> Path:
    """An object of a store: its name is the SHA-256 of its bytes."""
    fresh = folder / "fresh.parquet"
    pl.DataFrame({"key": list(numbers), "score": [score] * len(numbers)}).write_parquet(fresh)
    name = hashlib.sha256(fresh.read_bytes()).hexdigest()
    path = folder / name[:2] / name[2:]
    path.parent.mkdir(exist_ok=True)
    return fresh.rename(path)


def judged(paths: list[Path], folder: Path) -> tuple[list[CheckResult], int]:
    """The results, and how many files were read for them."""
    Counted.reads = 0
    gate = PolarsGate(Counted(), GreatExpectationsGate(), folder / "profiles")
    return gate.judge(paths, SUITE, name="s", key="key"), Counted.reads


def test_only_what_changed_is_read_again(tmp_path: Path) -> None:
    paths = [part(tmp_path, range(at, at + 10)) for at in range(0, 50, 10)]
    first, cold = judged(paths, tmp_path)

    again, warm = judged(paths, tmp_path)
    paths[3] = part(tmp_path, range(30, 40), score=7.0)
    changed, few = judged(paths, tmp_path)

    assert (cold, warm) == (5, 0)
    assert first == again
    assert [one.state for one in first] == ["passed"] * 3
    assert few == 2  # measured; and read for the keys of the rows that fail
    assert [one.state for one in changed] == ["failed", "passed", "passed"]
    assert changed[0].keys == tuple(map(str, range(30, 40)))


@pytest.mark.parametrize("harm", ["cut off", "changed", "of another part", "no JSON", "empty"])
def test_a_damaged_profile_is_measured_again(tmp_path: Path, harm: str) -> None:
    paths = [part(tmp_path, range(10)), part(tmp_path, range(10, 20), score=7.0)]
    right, _ = judged(paths, tmp_path)
    files = sorted((tmp_path / "profiles").rglob("*.json"))
    good, bad = files if paths[1].name in files[1].name else files[::-1]
    content = bad.read_bytes()
    assert b'"bad": 10' in content

    bad.write_bytes(
        {
            "cut off": content[: len(content) // 2],
            "changed": content.replace(b'"bad": 10', b'"bad": 0'),
            "of another part": good.read_bytes(),
            "no JSON": content.split(b"\n")[0] + b"\nnothing",
            "empty": b"",
        }[harm]
    )
    found, reads = judged(paths, tmp_path)

    assert found == right
    assert reads == 2
    assert bad.read_bytes() == content


def test_keys_that_two_parts_share_are_found(tmp_path: Path) -> None:
    """Each part is unique by itself, and their ranges meet."""
    paths = [part(tmp_path, range(10)), part(tmp_path, range(9, 20))]

    for _ in range(2):
        results, _ = judged(paths, tmp_path)
        assert (results[2].state, results[2].keys) == ("failed", ("9", "9"))


def test_a_folder_that_cannot_be_written_keeps_nothing(tmp_path: Path) -> None:
    paths = [part(tmp_path, range(10))]
    (tmp_path / "profiles").write_text("no folder")

    assert [one.state for one in judged(paths, tmp_path)[0]] == ["passed"] * 3


def test_a_suite_of_a_hundred_megabytes_is_refused_with_its_size() -> None:
    gate = PolarsGate(PolarsRows(), GreatExpectationsGate())
    large = b" " * (6 * MOST_BYTES)

    with pytest.raises(GateError, match="100,663,296 bytes"):
        gate.check_suite(large, name="s")


def test_a_regex_that_explodes_could_not_run(tmp_path: Path) -> None:
    """On polars it is linear; with lookaround Python matches it, and not for ever."""
    path = tmp_path / "rows.parquet"
    pl.DataFrame({"text": ["a" * 60 + "!"]}).write_parquet(path)
    kind = "expect_column_values_to_match_regex"
    suite = {
        "name": "s",
        "expectations": [
            {"type": kind, "kwargs": {"column": "text", "regex": "^(a+)+$"}},
            {"type": kind, "kwargs": {"column": "text", "regex": "^(a+)+(?=b)$"}},
        ],
    }
    gate = PolarsGate(PolarsRows(), GreatExpectationsGate(seconds=1))

    linear, exploding = gate.judge([path], json.dumps(suite).encode(), name="s")

    assert (linear.state, linear.engine) == ("failed", "polars")
    assert exploding.state == "could not run"
    assert "longer than 1 s" in exploding.message
