"""Gate: what passes, what fails and how it says so, and what is never taken for a pass."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from typing import Any, cast

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyarrow import orc

from datahub.adapters.gate_gx import GreatExpectationsGate
from datahub.adapters.rows_polars import PolarsRows
from datahub.core.errors import GateError
from datahub.core.verdict import CheckFailure, failures_of, refusing
from datahub.hub import REGISTRY
from datahub.ports import GateEngine, Instead


@pytest.fixture(params=sorted(REGISTRY["gate"]))
def gate(request: pytest.FixtureRequest) -> GateEngine:
    builders = {
        "great-expectations": lambda made: made(),
        "polars": lambda made: made(PolarsRows(), GreatExpectationsGate()),
    }
    module, _, name = REGISTRY["gate"][request.param].partition(":")
    return cast(GateEngine, builders[request.param](getattr(import_module(module), name)))


@pytest.fixture
def labels(tmp_path: Path) -> Path:
    """Ten rows: labels 6 tech, 3 sport, 1 null; scores 0.0 to 0.9."""
    path = tmp_path / "labels.parquet"
    pl.DataFrame(
        {
            "key": [f"k{i}" for i in range(10)],
            "label": ["tech"] * 6 + ["sport"] * 3 + [None],
            "score": [i / 10 for i in range(10)],
            "nothing": pl.Series([None] * 10, dtype=pl.String),
        }
    ).write_parquet(path)
    return path


def suite(*expectations: tuple[str, dict[str, Any]], **fields: Any) -> bytes:
    written = [{"type": kind, "kwargs": kwargs, **fields} for kind, kwargs in expectations]
    return json.dumps({"name": "labels", "expectations": written, "meta": {}}).encode()


def judged(gate: GateEngine, path: Path, kind: str, **kwargs: Any) -> list[CheckFailure]:
    return failures_of(gate.judge([path], suite((kind, kwargs)), name="labels"))


KEYS = [f"k{i}" for i in range(10)]
IN_SET = "expect_column_values_to_be_in_set"
KL = "expect_column_kl_divergence_to_be_less_than"


def test_a_suite_that_is_met_has_no_failures(gate: GateEngine, labels: Path) -> None:
    met = suite(
        (IN_SET, {"column": "label", "value_set": ["tech", "sport"]}),
        ("expect_column_values_to_be_unique", {"column": "key"}),
        ("expect_column_values_to_be_between", {"column": "score", "min_value": 0}),
    )

    assert failures_of(gate.judge([labels], met, name="labels")) == []


def test_expectations_are_counted(gate: GateEngine) -> None:
    two = suite(
        (IN_SET, {"column": "a", "value_set": [1]}), ("expect_column_to_exist", {"column": "a"})
    )

    assert gate.check_suite(two, name="labels") == 2


def test_a_value_outside_the_set_is_told_with_figures(gate: GateEngine, labels: Path) -> None:
    (failure,) = judged(gate, labels, IN_SET, column="label", value_set=["tech"])

    assert failure.message == (
        'Expected the values of column "label" to be in set ["tech"]; '
        '3 of 9 values (33.3%) are unexpected, e.g. "sport"; nulls passed over: 1.'
    )
    assert (failure.suite, failure.expectation, failure.column) == ("labels", IN_SET, "label")


def test_a_shifted_class_balance_is_told_share_by_share(gate: GateEngine, labels: Path) -> None:
    asked = {"values": ["tech", "sport"], "weights": [0.1, 0.9]}

    (failure,) = judged(gate, labels, KL, column="label", partition_object=asked, threshold=0.1)

    assert "to be less than 0.1; observed divergence 0.9" in failure.message
    assert '"tech" 66.7% (asked 10.0%)' in failure.message
    assert '"sport" 33.3% (asked 90.0%)' in failure.message


def test_a_class_nobody_asked_for_is_an_infinite_divergence(gate: GateEngine, labels: Path) -> None:
    asked = {"values": ["tech"], "weights": [1.0]}

    (failure,) = judged(gate, labels, KL, column="label", partition_object=asked, threshold=9)

    assert "infinite" in failure.message
    assert '"sport" 33.3% (asked 0.0%)' in failure.message


@pytest.mark.parametrize(
    ("kind", "kwargs", "said"),
    [
        (
            "expect_column_mean_to_be_between",
            {"column": "score", "min_value": 0.5, "max_value": 1},
            'the mean of column "score" to be at least 0.5 and at most 1; observed 0.45.',
        ),
        (
            "expect_column_quantile_values_to_be_between",
            {
                "column": "score",
                "quantile_ranges": {"quantiles": [0.0], "value_ranges": [[0.5, 1]]},
            },
            "observed quantile 0 is 0 (asked at least 0.5 and at most 1).",
        ),
        (
            "expect_column_values_to_not_be_null",
            {"column": "label"},
            "1 of 10 values (10.0%) are null.",
        ),
        (
            "expect_table_row_count_to_be_between",
            {"min_value": 11},
            "the row count of the table to be at least 11; observed 10.",
        ),
        (
            "expect_column_distinct_values_to_equal_set",
            {"column": "label", "value_set": ["tech", "art"]},
            '1 unexpected: "sport"; 1 missing: "art".',
        ),
        ("expect_column_to_exist", {"column": "weight"}, 'column "weight" to exist;'),
        (
            "expect_table_columns_to_match_set",
            {"column_set": ["key", "weight"]},
            'unexpected "label", "nothing", "score"; missing "weight".',
        ),
        (
            "expect_compound_columns_to_be_unique",
            {"column_list": ["label", "nothing"]},
            '9 of 9 values (100.0%) are unexpected, e.g. {label: "tech", nothing: null}',
        ),
    ],
)
def test_every_kind_of_failure_is_a_sentence(
    gate: GateEngine, labels: Path, kind: str, kwargs: dict[str, Any], said: str
) -> None:
    (failure,) = judged(gate, labels, kind, **kwargs)

    assert said in failure.message


def test_a_quantile_check_that_is_met_passes(gate: GateEngine, labels: Path) -> None:
    """Great Expectations answers it with a numpy.bool."""
    ranges = {"quantiles": [0.5], "value_ranges": [[0, 1]]}

    assert not judged(
        gate,
        labels,
        "expect_column_quantile_values_to_be_between",
        column="score",
        quantile_ranges=ranges,
    )


def test_failures_keep_the_order_of_the_suite(gate: GateEngine, labels: Path) -> None:
    failures = failures_of(
        gate.judge(
            [labels],
            suite(
                ("expect_column_max_to_be_between", {"column": "score", "max_value": 0}),
                (IN_SET, {"column": "label", "value_set": []}),
                ("expect_column_min_to_be_between", {"column": "score", "min_value": 1}),
            ),
            name="labels",
        )
    )

    assert [f.column for f in failures] == ["score", "label", "score"]


def test_a_row_condition_narrows_what_is_judged(gate: GateEngine, labels: Path) -> None:
    only = {"type": "comparison", "column": {"name": "score"}, "operator": "<", "parameter": 0.6}

    assert not judged(gate, labels, IN_SET, column="label", value_set=["tech"], row_condition=only)


def test_a_row_condition_as_text_narrows_too(gate: GateEngine, labels: Path) -> None:
    (failure,) = judged(
        gate,
        labels,
        IN_SET,
        column="label",
        value_set=["tech"],
        row_condition="score > 0.7 and label.notnull()",
        condition_parser="pandas",
    )

    assert "1 of 1 values" in failure.message


def test_mostly_lets_a_few_through(gate: GateEngine, labels: Path) -> None:
    assert not judged(gate, labels, IN_SET, column="label", value_set=["tech"], mostly=0.6)


def test_several_files_are_one_table(gate: GateEngine, tmp_path: Path) -> None:
    for part in ("a", "b"):
        pl.DataFrame({"key": ["same"]}).write_parquet(tmp_path / f"{part}.parquet")
    unique = suite(("expect_column_values_to_be_unique", {"column": "key"}))

    (failure,) = failures_of(
        gate.judge([tmp_path / "a.parquet", tmp_path / "b.parquet"], unique, name="labels")
    )

    assert "2 of 2 values" in failure.message


def test_lines_go_before_those_of_the_file_they_are_for(gate: GateEngine, tmp_path: Path) -> None:
    """Also where the key is no column that a check names; other files keep theirs."""
    paths = [tmp_path / f"{name}.parquet" for name in "ab"]
    for path, keys in zip(paths, ([1, 2], [3, 4]), strict=True):
        pl.DataFrame({"key": keys, "label": ["tech", "tech"], "lfs": [["x"], []]}).write_parquet(
            path
        )
    lines = pl.DataFrame({"lfs": [["y"]], "label": ["sport"], "key": [2]})
    checks = suite(
        (IN_SET, {"column": "label", "value_set": ["tech"]}),
        ("expect_column_values_to_be_unique", {"column": "key"}),
        ("expect_table_row_count_to_equal", {"value": 4}),
    )

    assert failures_of(gate.judge(paths, checks, name="labels")) == []
    (failure,) = failures_of(
        gate.judge(paths, checks, name="labels", instead=Instead("key", {paths[0]: lines}))
    )

    assert "1 of 4 values" in failure.message


def test_files_of_both_formats_are_one_table(gate: GateEngine, tmp_path: Path) -> None:
    """Also where other programs wrote them, with types of text and lists of their own."""
    kinds = {"key": pa.string(), "a.b": pa.int64(), "tags": pa.list_(pa.string())}
    table = pa.table({"key": ["x"], "a.b": [1], "tags": [["t"]]}, schema=pa.schema(kinds))
    orc.write_table(table, tmp_path / "a.orc")
    pq.write_table(table, tmp_path / "b.parquet")
    pl.DataFrame(table).write_parquet(tmp_path / "c.parquet")
    paths = [tmp_path / name for name in ("a.orc", "b.parquet", "c.parquet")]
    unique = suite(
        ("expect_column_values_to_be_unique", {"column": "key"}),
        (IN_SET, {"column": "a.b", "value_set": [1]}),
        ("expect_table_row_count_to_equal", {"value": 3}),
    )

    (failure,) = failures_of(gate.judge(paths, unique, name="labels"))

    assert "3 of 3 values" in failure.message


def test_severity_tells_what_refuses(gate: GateEngine, labels: Path) -> None:
    """A warning is reported and refuses nothing; what says nothing of severity is critical."""
    minor = suite((IN_SET, {"column": "label", "value_set": ["tech"]}), severity="warning")
    major = suite((IN_SET, {"column": "label", "value_set": ["tech"]}))

    warned = failures_of(gate.judge([labels], minor, name="labels"))
    failed = failures_of(gate.judge([labels], major, name="labels"))

    assert [f.severity for f in warned + failed] == ["warning", "critical"]
    assert refusing(warned + failed) == failed


def test_categories_lists_and_large_integers_are_judged_by_value(
    gate: GateEngine, tmp_path: Path
) -> None:
    path = tmp_path / "rows.parquet"
    pl.DataFrame(
        {
            "kind": pl.Series(["a", "b"], dtype=pl.Enum(["a", "b", "unused"])),
            "tags": [["x"], ["y", "z"]],
            "id": [2**60, 2**60 + 1],
        }
    ).vstack(
        pl.DataFrame(
            {"kind": ["a"], "tags": [None], "id": [None]},
            schema={
                "kind": pl.Enum(["a", "b", "unused"]),
                "tags": pl.List(pl.String),
                "id": pl.Int64,
            },
        )
    ).write_parquet(path)
    checks = suite(
        ("expect_column_distinct_values_to_equal_set", {"column": "kind", "value_set": ["a", "b"]}),
        ("expect_column_values_to_be_unique", {"column": "tags"}),
        ("expect_column_values_to_be_unique", {"column": "id"}),
    )

    assert failures_of(gate.judge([path], checks, name="rows")) == []


def test_a_failure_lists_a_few_values_however_many_fail(gate: GateEngine, tmp_path: Path) -> None:
    path = tmp_path / "rows.parquet"
    hostile = [f"\x1b[31m{i}" + "long " * 200 for i in range(5000)]
    pl.DataFrame({"text": hostile}).write_parquet(path)

    (failure,) = judged(gate, path, IN_SET, column="text", value_set=["a"] * 5000)

    assert "5,000 of 5,000" in failure.message
    assert len(failure.observed or "") <= 500
    assert len(failure.message) <= 1000
    assert failure.message.isprintable()


def test_a_column_of_nulls_does_not_pass_by_having_nothing_to_say(
    gate: GateEngine, labels: Path
) -> None:
    (failure,) = judged(gate, labels, IN_SET, column="nothing", value_set=["tech"])

    assert "no value to judge: all 10 are null" in failure.message
    assert not judged(gate, labels, "expect_column_values_to_be_null", column="nothing")


def test_an_empty_table_is_no_pass(gate: GateEngine, tmp_path: Path) -> None:
    path = tmp_path / "empty.parquet"
    pl.DataFrame({"label": []}, schema={"label": pl.String}).write_parquet(path)

    with pytest.raises(GateError, match="nothing to check"):
        judged(gate, path, IN_SET, column="label", value_set=["tech"])


def test_no_file_is_no_pass(gate: GateEngine) -> None:
    with pytest.raises(GateError, match="no file"):
        failures_of(
            gate.judge([], suite((IN_SET, {"column": "a", "value_set": []})), name="labels")
        )


@pytest.mark.parametrize(
    "broken",
    [
        b"",
        b"{not json",
        b"\xff\xfe",
        b"[]",
        b'"suite"',
        b'{"name": "x"}',
        b'{"name": "x", "expectations": []}',
        b'{"name": "x", "expectations": ["all is well"]}',
        b'{"name": "x", "expectations": [{"kwargs": {}}]}',
        b'{"name": "x", "expectations": [{"type": "expect_columm_to_exist", "kwargs": {}}]}',
        b'{"name": "x", "expectations": [{"type": "expect_column_to_exist", "kwargs": []}]}',
        b'{"name": "x", "expectations": [{"type": "expect_column_to_exist"}]}',
        b'{"name": "x", "expectations": [{"expectation_type": "expect_column_to_exist"}]}',
        b"[" * 100_000,
        suite(("expect_column_max_to_be_between", {"column": "a", "max": 1})),
        suite(("expect_column_max_to_be_between", {"column": {"$PARAMETER": "which"}})),
        suite(("expect_column_to_exist", {"column": "a"}), severity="grave"),
    ],
)
def test_a_suite_that_cannot_be_read_is_no_pass(
    gate: GateEngine, labels: Path, broken: bytes
) -> None:
    with pytest.raises(GateError):
        gate.check_suite(broken, name="labels")
    with pytest.raises(GateError):
        failures_of(gate.judge([labels], broken, name="labels"))


@pytest.mark.parametrize(
    ("kind", "kwargs", "why"),
    [
        (IN_SET, {"column": "labell", "value_set": ["tech"]}, 'no column "labell"'),
        ("expect_column_mean_to_be_between", {"column": "label", "min_value": 0}, "computed"),
        ("expect_column_values_to_match_regex", {"column": "label", "regex": "["}, "computed"),
        ("unexpected_rows_expectation", {"unexpected_rows_query": "SELECT 1"}, "computed"),
        (
            KL,
            {
                "column": "label",
                "partition_object": {"values": ["tech"], "weights": [2]},
                "threshold": 1,
            },
            "computed",
        ),
        (
            IN_SET,
            {
                "column": "label",
                "value_set": ["tech", "sport"],
                "row_condition": "weight > 1",
                "condition_parser": "pandas",
            },
            'no column "weight"',
        ),
        (
            IN_SET,
            {
                "column": "label",
                "value_set": ["tech", "sport"],
                "row_condition": "label > 1",
                "condition_parser": "pandas",
            },
            "computed",
        ),
        (
            IN_SET,
            {
                "column": "label",
                "value_set": ["tech", "sport"],
                "row_condition": "label.to_csv('stolen.csv') or True",
                "condition_parser": "pandas",
            },
            "does more than compare",
        ),
    ],
)
def test_what_cannot_be_computed_is_no_pass(
    gate: GateEngine, labels: Path, kind: str, kwargs: dict[str, Any], why: str
) -> None:
    """Also where everything else in the suite is met."""
    checks = suite(("expect_column_to_exist", {"column": "label"}), (kind, kwargs))

    with pytest.raises(GateError, match=why):
        failures_of(gate.judge([labels], checks, name="labels"))


def test_a_file_that_cannot_be_read_is_no_pass(
    gate: GateEngine, labels: Path, tmp_path: Path
) -> None:
    cut = tmp_path / "cut.parquet"
    cut.write_bytes(labels.read_bytes()[:-20])

    for path in (cut, tmp_path / "absent.parquet", tmp_path):
        with pytest.raises(GateError, match="cannot be read"):
            judged(gate, path, "expect_column_to_exist", column="label")


def test_damaged_rows_are_no_pass(gate: GateEngine, tmp_path: Path) -> None:
    """The footer can be read and the rows cannot."""
    path = tmp_path / "rows.parquet"
    pl.DataFrame({"label": [f"text {i}" for i in range(9000)]}).write_parquet(path)
    whole = bytearray(path.read_bytes())
    whole[4 : len(whole) // 2] = bytes(len(whole) // 2 - 4)
    path.write_bytes(whole)

    with pytest.raises(GateError):
        judged(gate, path, "expect_column_values_to_not_be_null", column="label")


def test_files_of_unequal_schemas_are_no_table(
    gate: GateEngine, labels: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other.parquet"
    pl.DataFrame({"label": [1]}).write_parquet(other)

    with pytest.raises(GateError, match="another schema"):
        failures_of(
            gate.judge(
                [labels, other],
                suite(("expect_column_to_exist", {"column": "label"})),
                name="labels",
            )
        )


def test_judging_leaves_no_files_and_no_noise(
    gate: GateEngine,
    labels: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    (tmp_path / "cwd").mkdir()
    monkeypatch.chdir(tmp_path / "cwd")

    judged(gate, labels, IN_SET, column="label", value_set=["tech"])

    assert list((tmp_path / "cwd").iterdir()) == []
    assert capfd.readouterr() == ("", "")
    assert [r for r in caplog.records if r.name.startswith("great_expectations")] == []


@pytest.mark.slow
def test_a_judgement_in_a_fresh_interpreter_is_silent_and_calls_nobody(
    labels: Path, tmp_path: Path
) -> None:
    """The first import is where a vendor greets, writes into the home and calls home."""
    home = tmp_path / "home"
    home.mkdir()
    script = (
        "import socket, sys, pathlib\n"
        "def refuse(*a, **k): raise SystemExit('a connection was tried')\n"
        "socket.socket.connect = refuse\n"
        "from datahub.adapters.gate_gx import GreatExpectationsGate\n"
        "assert 'great_expectations' not in sys.modules\n"
        "path, suite = pathlib.Path(sys.argv[1]), sys.argv[2].encode()\n"
        "GreatExpectationsGate().judge([path], suite, name='x')\n"
    )
    checks = suite((IN_SET, {"column": "label", "value_set": ["tech"]}))

    ran = subprocess.run(
        [sys.executable, "-c", script, str(labels), checks.decode()],
        cwd=home,
        env={"HOME": str(home), "PYTHONPATH": str(Path(__file__).parents[2]), "PATH": ""},
        capture_output=True,
        text=True,
        check=False,
    )

    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "", "")
    assert list(home.iterdir()) == []


def test_the_first_rows_that_failed_are_named_by_their_key(
    gate: GateEngine, tmp_path: Path
) -> None:
    """By key, whatever else is asked of the row; a whole column has no failing row."""
    paths = [tmp_path / "a.parquet", tmp_path / "b.parquet"]
    for at, path in enumerate(paths):
        pl.DataFrame(
            {
                "key": [f"é{at}-{i}" for i in range(30)],
                "label": ["odd" if i % 2 else "even" for i in range(30)],
                "score": [float(i) for i in range(30)],
            }
        ).write_parquet(path)
    asked = suite(
        (IN_SET, {"column": "label", "value_set": ["even"]}),
        ("expect_column_values_to_be_between", {"column": "score", "max_value": 28}),
        ("expect_column_mean_to_be_between", {"column": "score", "max_value": 0}),
        (
            IN_SET,
            {
                "column": "label",
                "value_set": ["even"],
                "row_condition": "score > 26",
                "condition_parser": "pandas",
            },
        ),
    )

    failed = failures_of(gate.judge(paths, asked, name="labels", key="key"))
    nameless = failures_of(gate.judge(paths, asked, name="labels"))
    absent = failures_of(gate.judge(paths, asked, name="labels", key="nowhere"))

    assert [one.keys for one in failed] == [
        (*(f"é0-{i}" for i in range(1, 30, 2)), *(f"é1-{i}" for i in range(1, 10, 2))),
        ("é0-29", "é1-29"),
        (),
        ("é0-27", "é0-29", "é1-27", "é1-29"),
    ]
    assert [one.keys for one in nameless] == [one.keys for one in absent] == [()] * 4


def test_a_row_that_failed_under_a_patch_is_named_by_its_key(
    gate: GateEngine, labels: Path
) -> None:
    """The lines that go instead are judged in another place than their rows stood."""
    lines = pl.read_parquet(labels).filter(pl.col("key").is_in(["k1", "k4"]))
    put = Instead("key", {labels: lines.with_columns(label=pl.lit("odd"))})
    asked = suite((IN_SET, {"column": "label", "value_set": ["tech", "sport"]}))

    (failure,) = failures_of(gate.judge([labels], asked, name="labels", key="key", instead=put))

    assert failure.keys == ("k1", "k4")


def test_every_expectation_answers_in_the_order_of_the_suite(
    gate: GateEngine, labels: Path
) -> None:
    """Passed ones with what was observed; one that cannot run takes no other away."""
    checks = suite(
        ("expect_column_mean_to_be_between", {"column": "score", "max_value": 1}),
        ("expect_column_mean_to_be_between", {"column": "label", "max_value": 1}),
        (IN_SET, {"column": "nowhere", "value_set": ["tech"]}),
        (IN_SET, {"column": "label", "value_set": ["tech"]}),
        (IN_SET, {"column": "label", "value_set": ["tech", "sport"]}),
        ("expect_column_to_exist", {"column": "label"}),
        ("expect_column_distinct_values_to_be_in_set", {"column": "key", "value_set": KEYS}),
        description="Ask Ada.",
    )

    results = gate.judge([labels], checks, name="labels")

    assert [result.state for result in results] == [
        "passed",
        "could not run",
        "could not run",
        "failed",
        "passed",
        "passed",
        "passed",
    ]
    assert [results[at].observed for at in (0, 4, 5)] == [
        "observed 0.45",
        "0 of 9 values (0.0%) are unexpected; nulls passed over: 1",
        "it is there",
    ]
    assert 'no column "nowhere"' in results[2].message
    assert {result.notes for result in results} == {"Ask Ada."}
    assert all(result.engine for result in results)
    with pytest.raises(GateError, match="could not be computed"):
        failures_of(results)
