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


def describe_expectation(kind: str, kwargs: Mapping[str, Any]) -> str:
    """What was asked.

    >>> describe_expectation("expect_column_mean_to_be_between", {"column": "x", "max_value": 1})
    'the mean of column "x" to be at most 1'
    >>> kwargs = {"column": "x", "value_set": ["a"]}
    >>> describe_expectation("expect_column_values_to_be_in_set", kwargs)
    'the values of column "x" to be in set ["a"]'
    """
    target, _, ask = kind.removeprefix("expect_").rpartition("_to_")
    stem = re.sub(r"^(select_|compound_|multi)?(column_pair|columns?|table)_?", "", target)
    stem = stem.replace("_", " ") or ("rows" if "columns" in target else "")
    columns = column_of(kwargs)
    if kind.startswith("expect_table_"):
        subject = f"the {stem} of the table" if stem else "the table"
    elif columns is None:
        subject = stem
    else:
        noun = "columns" if ", " in columns else "column"
        subject = (f"the {stem} of " if stem else "") + f"{noun} {_value(columns)}"
    mostly = kwargs.get("mostly", 1)
    share = f" in at least {_percent(100 * mostly)} of rows" if mostly != 1 else ""
    where = kwargs.get("row_condition")
    among = f", where {_condition(where)}" if where else ""
    return _cut(f"{subject} to {_ask(ask, kwargs)}{share}{among}", EXPECTED_LIMIT)


def describe_result(
    kind: str, kwargs: Mapping[str, Any], result: Mapping[str, Any], *, met: bool = False
) -> str:
    """What was seen, with figures, in at most OBSERVED_LIMIT characters."""
    return _cut(_observation(kind, kwargs, result, met=met), OBSERVED_LIMIT)


def describe_notes(entry: Mapping[str, Any]) -> str:
    """What a suite says about one of its expectations: its description, its notes.

    >>> describe_notes({"description": "No nulls.", "meta": {"notes": ["since May", "ask Ada"]}})
    'No nulls. since May ask Ada'
    """
    meta = entry.get("meta")
    notes = [entry.get("description"), entry.get("notes")]
    notes += [meta.get("notes")] if isinstance(meta, Mapping) else []
    texts: list[str] = []
    for note in notes:
        content = note.get("content") if isinstance(note, Mapping) else note
        lines = content if isinstance(content, list) else [content]
        texts += [_printable(line.strip()) for line in lines if isinstance(line, str)]
    return _cut(" ".join(dict.fromkeys(filter(None, texts))), EXPECTED_LIMIT)


def list_values(values: Iterable[Any], limit: int = SHOWN_VALUES) -> str:
    """A few values, and how many more there are.

    >>> list_values(["a", 2, None], limit=2)
    '"a", 2 and 1 more'
    """
    values = list(values)
    more = f" and {len(values) - limit} more" if len(values) > limit else ""
    return ", ".join(_value(value) for value in values[:limit]) + more


def _observation(
    kind: str, kwargs: Mapping[str, Any], result: Mapping[str, Any], *, met: bool
) -> str:
    details = result.get("details") or {}
    if "observed_partition" in details:
        return _divergence(kwargs, result, details, met=met)
    value = result.get("observed_value")
    if isinstance(value, Mapping) and "quantiles" in value:
        return _quantiles(kwargs, value)
    if kind == "expect_column_to_exist":
        return "it is there" if met else "the column is missing, or in another position"
    if "element_count" in result:
        return _unexpected_share(result, "null" if kind.endswith("_not_be_null") else "unexpected")
    if "partial_unexpected_list" in result or "partial_missing_list" in result:
        return _distinct(result) or f"observed {_value(result.get('observed_value'))}"
    mismatches = details.get("mismatched")
    if isinstance(mismatches, Mapping) and not met:
        return "; ".join(
            f"{group} {list_values(names)}" for group, names in mismatches.items() if names
        )
    if value is None:
        return "no value to compute it from was observed"
    return f"observed {_value(value)}"


def _unexpected_share(result: Mapping[str, Any], fault: str) -> str:
    total = result["element_count"] - (result.get("missing_count") or 0)
    count = result.get("unexpected_count") or 0
    examples = list(dict.fromkeys(map(_value, result.get("partial_unexpected_list") or [])))
    nulls = result.get("missing_count")
    text = f"{count:,} of {total:,} values ({_percent(100 * count / total if total else 0)})"
    text += f" are {fault}"
    if any(example != "null" for example in examples):
        text += f", e.g. {', '.join(examples[:SHOWN_VALUES])}"
    return text + (f"; nulls passed over: {nulls:,}" if nulls else "")


def _distinct(result: Mapping[str, Any]) -> str:
    parts = [
        f"{result.get(f'{group}_count') or 0:,} {group}: {list_values(values)}"
        for group in ("unexpected", "missing")
        if (values := result.get(f"partial_{group}_list"))
    ]
    return "distinct values " + "; ".join(parts) if parts else ""


def _divergence(
    kwargs: Mapping[str, Any],
    result: Mapping[str, Any],
    details: Mapping[str, Any],
    *,
    met: bool,
) -> str:
    observation, expectation = details["observed_partition"], details["expected_partition"]
    divergence, threshold = result.get("observed_value"), kwargs.get("threshold")
    bins = observation.get("bins")
    names = (
        [f"{_value(low)}..{_value(high)}" for low, high in pairwise(bins)]
        if bins is not None
        else [_value(value) for value in observation["values"]]
    )
    shares = list(zip(names, observation["weights"], expectation["weights"], strict=False))
    shares.sort(key=lambda share: -abs(share[1] - share[2]))
    text = ", ".join(
        f"{name} {_percent(100 * saw)} (asked {_percent(100 * ask)})"
        for name, saw, ask in shares[:10]
    )
    if divergence is None:
        figure = "is infinite (a value occurs that has no expected share)"
    else:
        sign = "within" if met else ">"
        figure = f"{_value(divergence)} {sign} threshold {_value(threshold)}"
    return f"observed divergence {figure}; shares: {text}"


def _quantiles(kwargs: Mapping[str, Any], value: Mapping[str, Any]) -> str:
    ranges = kwargs.get("quantile_ranges") or {}
    bounds = ranges.get("value_ranges") or [[None, None]] * len(value["quantiles"])
    rows = zip(value["quantiles"], value["values"], bounds, strict=False)
    return "observed " + ", ".join(
        f"quantile {_value(q)} is {_value(v)} (asked {_bounds(low, high)})"
        for q, v, (low, high) in rows
    )


def _ask(ask: str, kwargs: Mapping[str, Any]) -> str:
    words = ask.replace("_", " ")
    options = {
        key: value for key, value in kwargs.items() if key not in _UNSAID and value is not None
    }
    if "quantile_ranges" in options:
        return "be in their ranges"
    if words == "be between":
        low, high = options.pop("min_value", None), options.pop("max_value", None)
        strict = bool(options.pop("strict_min", False)), bool(options.pop("strict_max", False))
        words = f"be {_bounds(low, high, strict=strict)}"
    elif len(options) == 1 and not isinstance(next(iter(options.values())), Mapping):
        return f"{words} {_value(options.popitem()[1])}"
    elif "threshold" in options:
        return f"{words} {_value(options['threshold'])}"
    text = ", ".join(f"{key} {_value(value)}" for key, value in options.items())
    return words + (f" ({text})" if text else "")


def _bounds(low: Any, high: Any, *, strict: tuple[bool, bool] = (False, False)) -> str:
    parts = []
    if low is not None:
        parts.append(f"{'more than' if strict[0] else 'at least'} {_value(low)}")
    if high is not None:
        parts.append(f"{'less than' if strict[1] else 'at most'} {_value(high)}")
    return " and ".join(parts) or "anything"


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
        return "null" if math.isnan(plain) else f"{plain + 0.0:.6g}"
    if isinstance(plain, str):
        return f'"{_cut(_printable(plain), 80)}"'
    if isinstance(plain, Mapping):
        return "{" + ", ".join(f"{_printable(str(k))}: {_value(v)}" for k, v in plain.items()) + "}"
    if isinstance(plain, (list, tuple, set, frozenset)):
        return f"[{list_values(plain, 20)}]"
    return _cut(_printable(str(plain)), 80)


def _printable(text: str) -> str:
    """A value of somebody's data must not drive the terminal it is shown on."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def _cut(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[: limit - 1] + "…"
