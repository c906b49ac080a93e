"""A JSON report of `datahub ci`, read again: checked, so that it can be rendered where keys are.

A report is written by a job that may see other things than the one which comments. Nothing in it
is taken for Markdown, and one that contradicts itself is none.
"""

from __future__ import annotations

import datetime as dt
import json
from typing import Any

from datahub.core.check_result import CheckResult, ChecksNotRun, not_run
from datahub.core.ci_outcome import CIResult
from datahub.core.error_kinds import DatahubError, InputError
from datahub.core.gate_outcome import Outcome
from datahub.core.label_change import DatasetChange
from datahub.core.rules_change import RulesChange
from datahub.core.strict_json import NotAsDeclared, as_declared
from datahub.core.verdict import CheckFailure, Verdict, refusing

_FIELDS = frozenset({"state", "source", "into", "verdict", "error", "results"})
_MORE = frozenset({"changes", "rules", "tried", "votes"})
_VERDICT: dict[str, Any] = {
    **dict.fromkeys(("content_id", "source", "judged_head", "suite_hash"), str),
    **dict.fromkeys(("reason", "signature", "into", "time", "kind"), str),
    "passed": bool,
    "checks": int,
    "failures": tuple[CheckFailure, ...],
}


def read_ci(content: bytes) -> CIResult | Outcome:
    """What a report says; an Outcome where nothing was judged. Raises InputError."""
    try:
        raw = json.loads(content)
        result = _read(raw)
        if result.state != raw["state"]:
            raise NotAsDeclared(f"its state is {result.state}, and it says another")
    except (ValueError, RecursionError) as error:
        raise InputError(
            f"This is no report of datahub ci: {' '.join(str(error).split())[:200]}.",
            hint="`datahub ci --report ci.json` writes one.",
        ) from error
    return result


def _read(raw: Any) -> CIResult | Outcome:
    if not isinstance(raw, dict) or not _FIELDS <= set(raw) <= _FIELDS | _MORE:
        raise NotAsDeclared("its fields are others")
    source, into = (as_declared(str, raw[name], name) for name in ("source", "into"))
    results = as_declared(tuple[CheckResult, ...], raw["results"], "results")
    verdict = None if raw["verdict"] is None else _verdict(raw["verdict"], results)
    if "changes" not in raw:
        if verdict is not None:
            return Outcome(source, into, verdict)
        return Outcome(source, into, error=_error(raw["error"], results))
    votes = as_declared(str, raw["votes"], "votes")
    _check_hexadecimal(votes, "votes")
    return CIResult(
        source,
        into,
        verdict,
        as_declared(tuple[DatasetChange, ...], raw["changes"], "changes"),
        as_declared(RulesChange | None, raw["rules"], "rules"),
        as_declared(str, raw["tried"], "tried") or None,
        votes=votes,
    )


def _verdict(raw: Any, results: tuple[CheckResult, ...]) -> Verdict:
    if not isinstance(raw, dict) or set(raw) != set(_VERDICT):
        raise NotAsDeclared("the fields of its verdict are others")
    parts = {name: as_declared(kind, raw[name], name) for name, kind in _VERDICT.items()}
    _check_hexadecimal(parts["source"], "source")
    parts["time"] = dt.datetime.fromisoformat(parts["time"])
    verdict = Verdict(**parts, results=results)
    if verdict.passed == bool(refusing(verdict.failures)):
        raise NotAsDeclared("its verdict is not what its failures say")
    return verdict


def _check_hexadecimal(text: str, where: str) -> None:
    """What is shown as it is must be nothing but digits."""
    if set(text) - set("0123456789abcdef"):
        raise NotAsDeclared(f"{where} is no id")


def _error(raw: Any, results: tuple[CheckResult, ...]) -> DatahubError | None:
    if raw is None:
        return None
    names = ("code", "message", "hint")
    if not isinstance(raw, dict) or set(raw) != set(names):
        raise NotAsDeclared("the fields of its error are others")
    _, message, hint = (as_declared(str, raw[name], name) for name in names)
    if not_run(results):
        return ChecksNotRun(results, message, hint=hint)
    return DatahubError(message, hint=hint)
