"""Expectations about tables that only datahub can judge: drift, splits, personal data, agreement.

Effect sizes refuse; no p-value does so alone. Defaults are measured: docs/gates.md.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from datahub.core.agreement import alpha
from datahub.core.check_kinds import DESTINATION, SLICE, Found, Kind, Kwargs, Unclear, thin
from datahub.core.column_drift import drift
from datahub.core.error_kinds import GateError
from datahub.core.shortcut_tokens import shortcuts
from datahub.core.table_view import TableView
from datahub.core.text_drift import discrepancy

_RESAMPLES, _SEED = 400, 5
_WORDS = {
    "w1": "mean shift in standard deviations",
    "psi": "PSI",
    "ks": "KS distance",
    "linf": "largest change of a share",
    "js": "JS distance",
    "nulls": "change of the share of nulls",
}
_SHARES = ("ks", "linf", "nulls")
_HALF = 0.4999  # of a family of columns: from half of it, it refuses


def _found(
    what: str,
    value: float,
    levels: Sequence[float],
    keys: tuple[str, ...] = (),
    *,
    is_share: bool = True,
) -> Found:
    warn, refuse = levels
    return Found(what, value, warn, refuse, keys, is_share)


def _columns(kwargs: Kwargs) -> list[str]:
    return [*filter(None, [kwargs["column"]]), *(kwargs.get("column_list") or ())]


def _drift(view: TableView, kwargs: Kwargs) -> Iterator[Found | Unclear]:
    columns, moved = _columns(kwargs), 0
    for column in columns:
        found, sides = [], view.sketches(column, kwargs["slice"], new=kwargs["of"] == "new")
        if sides is None:
            continue
        few = thin(kwargs, min(side.rows for side in sides))
        if few:
            yield from few
            continue
        if not sides[0].is_numbers and None in (sides[0].counts, sides[1].counts):
            raise GateError(
                f"Column {column!r} has too many values to compare their shares.",
                hint="For texts there is expect_text_drift_to_be_at_most.",
            )
        for name, value in drift(*sides).items():
            what = f"{column}, {_WORDS[name]}:"
            found.append(_found(what, value, kwargs[name], is_share=name in _SHARES))
        moved += any(one.severity for one in found)
        yield from found
    if len(columns) > 1:
        yield Found(f"{moved} of {len(columns)} columns drift:", moved / len(columns), 1.0, _HALF)


def _label_shift(view: TableView, kwargs: Kwargs) -> Iterator[Found | Unclear]:
    before, new = view.labels(kwargs["slice"])
    totals = sum(before.values()), sum(new.values())
    if not all(totals):
        return
    if totals[1] < kwargs["rows"]:
        need = int(kwargs["rows"] - totals[1])
        yield Unclear(f"{totals[1]} new rows have a label: {need} more needed", kwargs["unclear"])
        return
    for name in {**before, **new}:
        shares = before.get(name, 0) / totals[0], new.get(name, 0) / totals[1]
        what = f"the share of {name!r} among new rows is other by"
        yield Found(what, abs(shares[1] - shares[0]), kwargs["warn"], kwargs["refuse"])


def _splits(view: TableView, kwargs: Kwargs) -> Iterator[Found | Unclear]:
    for one in view.overlaps(kwargs["column"], kwargs["text"]):
        rows, exact = max(one.rows, 1), kwargs["exact"]
        what = f"rows of {one.split!r} that are"
        yield Found(f"{what} also in another split:", one.exact / rows, exact, exact, one.keys)
        yield _found(f"{what} nearly in another split:", one.near / rows, kwargs["near"], one.keys)


def _personal(view: TableView, kwargs: Kwargs) -> Iterator[Found | Unclear]:
    columns = _columns(kwargs)
    for one in view.personal(columns or None):
        if kwargs["kinds"] is None or one.kind in kwargs["kinds"]:
            what = f"rows of {one.column} with {one.kind}:"
            level = kwargs["rows"]
            yield Found(what, one.rows, level, level, one.keys, is_share=False)


def _agreement(view: TableView, kwargs: Kwargs) -> Iterator[Found | Unclear]:
    """Krippendorff's alpha; its interval by drawing rows again (bootstrap, percentiles)."""
    units, (warn, refuse) = view.answers(), kwargs["alpha"]
    if len(units) < kwargs["overlaps"]:
        need = int(kwargs["overlaps"] - len(units))
        what = f"{len(units)} rows have two answers: {need} more needed"
        yield Unclear(what, kwargs["unclear"])
        return
    value = alpha(units)
    if value is None:
        yield Unclear("all answers are of one class, so that alpha is none", kwargs["unclear"])
        return
    random, drawn = np.random.default_rng(_SEED), list[float]()
    for _ in range(_RESAMPLES):
        again = alpha(units[number] for number in random.integers(0, len(units), len(units)))
        drawn.append(1.0 if again is None else again)
    risk = (1 - kwargs["confidence"]) / 2
    low, high = np.quantile(drawn, [risk, 1 - risk])
    told = f"alpha {value:.2f} ({low:.2f} to {high:.2f}) of {len(units)} rows; disagreement"
    if high < refuse:
        yield Found(told, 1 - value, 1 - warn, 1 - refuse, is_share=False)
    elif low >= refuse:
        yield Found(told, 1 - value, 1 - warn, 2.0, is_share=False)
    else:
        yield Unclear(
            f"alpha {value:.2f} ({low:.2f} to {high:.2f}): more overlaps needed", kwargs["unclear"]
        )


def _shortcuts(view: TableView, kwargs: Kwargs) -> Iterator[Found | Unclear]:
    before, after = view.tokens(kwargs["text"])
    if before is None:
        return
    words = view.lf_words()
    old = {(one.token, one.label) for one in shortcuts(before, leave_out=words)}
    new = [one for one in shortcuts(after, leave_out=words) if (one.token, one.label) not in old]
    told = ", ".join(f"{one.token!r} of {one.label!r} ({one.rows} rows)" for one in new[:5])
    what = f"new words that give a label away{f' ({told})' if told else ''}:"
    level = kwargs["tokens"]
    yield Found(what, len(new), level, level, is_share=False)


def _text_drift(view: TableView, kwargs: Kwargs) -> Iterator[Found | Unclear]:
    before, new = view.texts(kwargs["column"])
    if not new:
        return
    if len(before) < 3:
        what = f"{len(before)} parts of before: {3 - len(before)} more needed"
        yield Unclear(what, kwargs["unclear"])
        return
    distance, usual = discrepancy(before, new)
    yield Found("distance of new texts:", distance, usual, 1.5 * usual, is_share=False)


_AGAINST: Mapping[str, Any] = {"against": DESTINATION}
_COLUMNS: Mapping[str, Any] = {"column": None, "column_list": None}

OF_TABLES: Mapping[str, Kind] = {
    "expect_column_drift_to_be_at_most": Kind(
        "columns to stay as they are distributed",
        {
            **_COLUMNS,
            **_AGAINST,
            **SLICE,
            "w1": [0.1, 0.2],
            "psi": [0.1, 0.25],
            "ks": [0.05, 0.1],
            "linf": [0.02, 0.05],
            "js": [0.1, 0.2],
            "nulls": [0.01, 0.05],
            "of": "all",
        },
        _drift,
    ),
    "expect_label_shift_to_be_at_most": Kind(
        "new rows to have the classes of those before",
        {**_AGAINST, **SLICE, "warn": 0.01, "refuse": 0.03, "rows": 200},
        _label_shift,
    ),
    "expect_splits_to_be_disjoint": Kind(
        "no row to be in two splits",
        {"column": None, "text": None, "exact": 0.0, "near": [0.01, 0.05], **_AGAINST},
        _splits,
    ),
    "expect_no_personal_data": Kind(
        "no personal data", {**_COLUMNS, "kinds": None, "rows": 0, **_AGAINST}, _personal
    ),
    "expect_annotator_agreement_to_be_at_least": Kind(
        "people to agree",
        {"alpha": [0.8, 0.67], "overlaps": 50, "confidence": 0.95, "unclear": "refuse", **_AGAINST},
        _agreement,
    ),
    "expect_new_shortcut_tokens_to_be_at_most": Kind(
        "no new word to give a label away",
        {"text": None, "tokens": 0, **_AGAINST},
        _shortcuts,
    ),
    "expect_text_drift_to_be_at_most": Kind(
        "new texts to be like those before",
        {"column": None, "unclear": "refuse", **_AGAINST},
        _text_drift,
    ),
}
NO_COLUMN_NEEDED = ("expect_no_personal_data", "expect_text_drift_to_be_at_most")
