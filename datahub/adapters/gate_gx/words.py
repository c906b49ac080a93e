"""Say what an expectation asked and what was observed, in a sentence a person understands.

Pure: the type, kwargs and result of one expectation in (plain values, as Great
Expectations writes them), bounded text out. Never lists more than a few values.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from itertools import pairwise
from typing import Any

OBSERVED_LIMIT = 500  # characters
EXPECTED_LIMIT = 300
SHOWN_VALUES = 5

# Not part of what was asked of the data.
_UNSAID = frozenset(
    {"column", "column_A", "column_B", "column_list", "batch_id", "result_format", "meta"}
    | {"catch_exceptions", "condition_parser", "row_condition", "mostly", "windows", "severity"}
)


def column_of(kwargs: Mapping[str, Any]) -> str | None:
    """The column or columns an expectation speaks of, or None when it speaks of the table.

    >>> column_of({"column_A": "start", "column_B": "end"})
    'start, end'
    """
    if "column" in kwargs:
        return str(kwargs["column"])
    pair = [str(kwargs[key]) for key in ("column_A", "column_B") if key in kwargs]
    return ", ".join(pair or map(str, kwargs.get("column_list") or [])) or None


def expected(kind: str, kwargs: Mapping[str, Any]) -> str:
    """What was asked.

    >>> expected("expect_column_mean_to_be_between", {"column": "x", "max_value": 1})
    'the mean of column "x" to be at most 1'
    >>> expected("expect_column_values_to_be_in_set", {"column": "x", "value_set": ["a"]})
    'the values of column "x" to be in set ["a"]'
    """
    what, _, ask = kind.removeprefix("expect_").rpartition("_to_")
    stem = re.sub(r"^(select_|compound_|multi)?(column_pair|columns?|table)_?", "", what)
    stem = stem.replace("_", " ") or ("rows" if "columns" in what else "")
    named = column_of(kwargs)
    if kind.startswith("expect_table_"):
        subject = f"the {stem} of the table" if stem else "the table"
    elif named is None:
        subject = stem
    else:
        many = "columns" if ", " in named else "column"
        subject = (f"the {stem} of " if stem else "") + f"{many} {_value(named)}"
    mostly = kwargs.get("mostly", 1)
    share = f" in at least {_percent(100 * mostly)} of rows" if mostly != 1 else ""
    where = kwargs.get("row_condition")
    among = f", where {_condition(where)}" if where else ""
    return _cut(f"{subject} to {_ask(ask, kwargs)}{share}{among}", EXPECTED_LIMIT)


def observed(kind: str, kwargs: Mapping[str, Any], result: Mapping[str, Any]) -> str:
    """What was seen, with figures, in at most OBSERVED_LIMIT characters."""
    return _cut(_observed(kind, kwargs, result), OBSERVED_LIMIT)


def listed(values: Iterable[Any], shown: int = SHOWN_VALUES) -> str:
    """A few values, and how many more there are.

    >>> listed(["a", 2, None], shown=2)
    '"a", 2 and 1 more'
    """
    values = list(values)
    more = f" and {len(values) - shown} more" if len(values) > shown else ""
    return ", ".join(_value(value) for value in values[:shown]) + more


def _observed(kind: str, kwargs: Mapping[str, Any], result: Mapping[str, Any]) -> str:
    details = result.get("details") or {}
    if "observed_partition" in details:
        return _divergence(kwargs, result, details)
    value = result.get("observed_value")
    if isinstance(value, Mapping) and "quantiles" in value:
        return _quantiles(kwargs, value)
    if kind == "expect_column_to_exist":
        return "the column is missing, or in another position"
    if "element_count" in result:
        return _unexpected(result, "null" if kind.endswith("_not_be_null") else "unexpected")
    if "partial_unexpected_list" in result or "partial_missing_list" in result:
        return _distinct(result)
    mismatched = details.get("mismatched")
    if isinstance(mismatched, Mapping):
        return "; ".join(f"{what} {listed(names)}" for what, names in mismatched.items() if names)
    if value is None:
        return "no value to compute it from was observed"
    return f"observed {_value(value)}"


def _unexpected(result: Mapping[str, Any], what: str) -> str:
    judged = result["element_count"] - (result.get("missing_count") or 0)
    count = result.get("unexpected_count") or 0
    examples = list(dict.fromkeys(map(_value, result.get("partial_unexpected_list") or [])))
    nulls = result.get("missing_count")
    said = f"{count:,} of {judged:,} values ({_percent(100 * count / judged if judged else 0)})"
    said += f" are {what}"
    if any(example != "null" for example in examples):
        said += f", e.g. {', '.join(examples[:SHOWN_VALUES])}"
    return said + (f"; nulls passed over: {nulls:,}" if nulls else "")


def _distinct(result: Mapping[str, Any]) -> str:
    said = [
        f"{result.get(f'{what}_count') or 0:,} {what}: {listed(values)}"
        for what in ("unexpected", "missing")
        if (values := result.get(f"partial_{what}_list"))
    ]
    return "distinct values " + "; ".join(said)


def _divergence(
    kwargs: Mapping[str, Any], result: Mapping[str, Any], details: Mapping[str, Any]
) -> str:
    seen, asked = details["observed_partition"], details["expected_partition"]
    divergence, threshold = result.get("observed_value"), kwargs.get("threshold")
    bins = seen.get("bins")
    names = (
        [f"{_value(low)}..{_value(high)}" for low, high in pairwise(bins)]
        if bins is not None
        else [_value(value) for value in seen["values"]]
    )
    shares = list(zip(names, seen["weights"], asked["weights"], strict=False))
    shares.sort(key=lambda share: -abs(share[1] - share[2]))
    said = ", ".join(
        f"{name} {_percent(100 * saw)} (asked {_percent(100 * ask)})"
        for name, saw, ask in shares[:10]
    )
    if divergence is None:
        figure = "is infinite (a value occurs that has no expected share)"
    else:
        figure = f"{_value(divergence)} > threshold {_value(threshold)}"
    return f"observed divergence {figure}; shares: {said}"


def _quantiles(kwargs: Mapping[str, Any], value: Mapping[str, Any]) -> str:
    ranges = kwargs.get("quantile_ranges") or {}
    asked = ranges.get("value_ranges") or [[None, None]] * len(value["quantiles"])
    rows = zip(value["quantiles"], value["values"], asked, strict=False)
    return "observed " + ", ".join(
        f"quantile {_value(q)} is {_value(v)} (asked {_bounds(low, high)})"
        for q, v, (low, high) in rows
    )


def _ask(ask: str, kwargs: Mapping[str, Any]) -> str:
    words = ask.replace("_", " ")
    left = {key: value for key, value in kwargs.items() if key not in _UNSAID and value is not None}
    if "quantile_ranges" in left:
        return "be in their ranges"
    if words == "be between":
        low, high = left.pop("min_value", None), left.pop("max_value", None)
        strict = bool(left.pop("strict_min", False)), bool(left.pop("strict_max", False))
        words = f"be {_bounds(low, high, strict=strict)}"
    elif len(left) == 1 and not isinstance(next(iter(left.values())), Mapping):
        return f"{words} {_value(left.popitem()[1])}"
    elif "threshold" in left:
        return f"{words} {_value(left['threshold'])}"
    told = ", ".join(f"{key} {_value(value)}" for key, value in left.items())
    return words + (f" ({told})" if told else "")


def _bounds(low: Any, high: Any, *, strict: tuple[bool, bool] = (False, False)) -> str:
    said = []
    if low is not None:
        said.append(f"{'more than' if strict[0] else 'at least'} {_value(low)}")
    if high is not None:
        said.append(f"{'less than' if strict[1] else 'at most'} {_value(high)}")
    return " and ".join(said) or "anything"


def _condition(where: Any) -> str:
    if not isinstance(where, Mapping):
        return _printable(str(where))
    if "conditions" in where:
        joint = f" {where.get('type')} "
        return "(" + joint.join(_condition(inner) for inner in where["conditions"]) + ")"
    if "pass_through_filter" in where:
        return _printable(str(where["pass_through_filter"]))
    name = _printable(str(where.get("column", {}).get("name")))
    if "is_null" in where:
        return f"{name} is {'' if where['is_null'] else 'not '}null"
    return f"{name} {where.get('operator')} {_value(where.get('parameter'))}"


def _percent(share: float) -> str:
    """A percentage that does not round a few to none, nor nearly all to all.

    >>> _percent(0.004), _percent(33.333), _percent(99.999)
    ('0.004%', '33.3%', '99.999%')
    """
    near = min(abs(share), abs(100 - share))
    if 0 < near < 0.05:
        return f"{share:.3g}%" if abs(share) < 1 else f"{share:.3f}%"
    return f"{share:.1f}%"


def _value(value: Any) -> str:
    plain = value.item() if hasattr(value, "item") else value
    if plain is None or type(plain).__name__ in ("NAType", "NaTType"):
        return "null"
    if isinstance(plain, bool):
        return str(plain).lower()
    if isinstance(plain, int):
        return str(plain)
    if isinstance(plain, float):
        return "null" if math.isnan(plain) else f"{plain:.6g}"
    if isinstance(plain, str):
        return f'"{_cut(_printable(plain), 80)}"'
    if isinstance(plain, Mapping):
        return "{" + ", ".join(f"{_printable(str(k))}: {_value(v)}" for k, v in plain.items()) + "}"
    if isinstance(plain, (list, tuple, set, frozenset)):
        return f"[{listed(plain, 20)}]"
    return _cut(_printable(str(plain)), 80)


def _printable(text: str) -> str:
    """A value of somebody's data must not drive the terminal it is shown on."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def _cut(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[: limit - 1] + "…"
