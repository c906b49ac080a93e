"""Gates on polars say what Great Expectations' own pandas engine says, of every core type.

Success, counts, observed values, the first values and keys that fail, of some 350 expectations
over one table, in one Parquet file and in two of ORC. Where the answers differ on purpose, the
reason stands beside the case (docs/decisions/0027-exact-numbers-in-gates.md).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import polars as pl
import pytest
from pyarrow import orc

from datahub.adapters.gate_gx import GreatExpectationsGate
from datahub.adapters.gate_polars import PolarsGate
from datahub.adapters.rows_polars import PolarsRows
from datahub.core.check_result import CheckResult
from datahub.core.check_words import describe_result
from datahub.core.verdict import KEYS_TOLD
from tests.contract.parity_cases import Case, cases, table

CASES = list(cases())
# What Great Expectations passes although nothing was judged: a gate does not.
NOTHING_JUDGED = "no value to judge"


@dataclass(frozen=True)
class Answer:
    """What an engine says of an expectation."""

    state: str
    observed: str | None = None
    keys: tuple[str, ...] = ()


def of(result: CheckResult) -> Answer:
    if result.state == "could not run":
        return Answer(result.state)
    return Answer(result.state, result.observed, result.keys)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Path]]:
    """The table as one file of Parquet, and as two of ORC."""
    folder = tmp_path_factory.mktemp("parity")
    table().write_parquet(folder / "all.parquet")
    plain = table().cast({"kind": pl.String}).to_arrow(compat_level=pl.CompatLevel.oldest())
    halves = [folder / "a.orc", folder / "b.orc"]
    orc.write_table(plain.slice(0, 17), halves[0])
    orc.write_table(plain.slice(17), halves[1])
    return {"parquet": [folder / "all.parquet"], "orc": halves}


@pytest.fixture(scope="module")
def stock(files: Mapping[str, list[Path]]) -> list[Answer]:
    """What Great Expectations' pandas engine says, of the frame that its users load."""
    import great_expectations as gx
    from great_expectations.expectations.expectation_configuration import ExpectationConfiguration
    from great_expectations.validator.v1_validator import Validator

    context = gx.get_context(mode="ephemeral")
    asset = context.data_sources.add_pandas("stock").add_dataframe_asset("table")
    form = {
        "result_format": "BASIC",
        "partial_unexpected_count": KEYS_TOLD,
        "include_unexpected_rows": True,
    }
    frame = pd.read_parquet(files["parquet"][0])
    frame["kind"] = frame["kind"].astype("str")  # a category is what it stands for
    whole = asset.add_batch_definition_whole_dataframe("whole")
    validator = Validator(whole, batch_parameters={"dataframe": frame}, result_format=form)
    answers = []
    for kind, kwargs in CASES:
        made = ExpectationConfiguration(type=kind, kwargs=kwargs).to_domain_obj()
        answers.append(_stock_answer(validator.validate_expectation(made), kind, kwargs, frame))
    return answers


def _stock_answer(found: Any, kind: str, kwargs: dict[str, Any], frame: Any) -> Answer:
    raised = found.exception_info or {}
    if raised.get("raised_exception") or any(isinstance(one, dict) for one in raised.values()):
        return Answer("could not run")
    met = bool(found.success)
    rows = found.result.get("unexpected_rows")
    keys = () if met or rows is None else tuple(frame["id"].loc[rows.index])[:KEYS_TOLD]
    seen = describe_result(kind, kwargs, found.result, met=met)
    return Answer("passed" if met else "failed", seen, keys)


def judged(paths: list[Path]) -> list[CheckResult]:
    suite = {"name": "s", "expectations": [{"type": kind, "kwargs": kw} for kind, kw in CASES]}
    gate = PolarsGate(PolarsRows(), GreatExpectationsGate())
    return gate.judge(paths, json.dumps(suite).encode(), name="s", key="id")


def on_purpose(case: Case, ours: Answer, theirs: Answer) -> bool:
    """Whether a difference is one that is meant."""
    return NOTHING_JUDGED in (ours.observed or "") and theirs.state == "passed"


@pytest.mark.slow
@pytest.mark.parametrize("form", ["parquet", "orc"])
def test_every_type_is_judged_as_great_expectations_judges_it(
    files: Mapping[str, list[Path]], stock: list[Answer], form: str
) -> None:
    ours = judged(files[form])

    told = zip(CASES, map(of, ours), stock, strict=True)
    differences = [one for one in told if one[1] != one[2] and not on_purpose(*one)]

    assert differences == []
    assert len(CASES) >= 300
    assert {result.engine for result in ours} == {"polars", "Great Expectations"}
    assert sum(result.engine == "polars" for result in ours) > 0.8 * len(CASES)
