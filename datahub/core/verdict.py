"""Gates, and what they say of one candidate commit.

A gate binds an expectation suite to a table of a dataset on a branch; gates.toml
lists them. A verdict is passed or refused, with its failures, and names exactly
what it judged. A gate that could not run gives no verdict at all.
"""

from __future__ import annotations

import datetime as dt
import json
import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal

from datahub.core.check_result import CheckResult, ChecksNotRun, not_run
from datahub.core.dataset import to_canonical_json
from datahub.core.error_kinds import ConfigError, DatahubError
from datahub.core.layout import RULES

EVERY = "*"  # as the dataset of a gate: each that there is
TABLES = ("labels", "rows", "soft_labels")
VERDICT_FORMAT = 1
SIGNED_FORMAT = 2  # the same, with a signature
KEYS_TOLD = 20
_TEXTS = (
    "content_id",
    "source",
    "judged_head",
    "suite_hash",
    "kind",
    "reason",
    "signature",
    "into",
)


@dataclass(frozen=True)
class Gate:
    """One line of gates.toml: this suite must pass on this table before a merge into `branch`.

    `dataset` may be `*`, which is every one.
    """

    branch: str
    dataset: str
    suite: str  # path in the commit, under expectations/
    table: str = "labels"


@dataclass(frozen=True)
class CheckFailure:
    """One expectation that the data did not meet.

    `severity` is the suite's word: critical refuses, warning and info are told and no more.
    `keys` are the first rows that failed it, KEYS_TOLD at most; of a whole column there are none.
    """

    suite: str
    expectation: str
    message: str
    dataset: str = ""
    column: str | None = None
    observed: str | None = None
    severity: str = "critical"
    keys: tuple[str, ...] = ()


def refusing(failures: Iterable[CheckFailure]) -> list[CheckFailure]:
    """The failures that refuse a merge: all but those a suite marks as warning or info.

    >>> minor = CheckFailure("labels", "expect_x", "few", severity="warning")
    >>> refusing([minor, CheckFailure("labels", "expect_y", "bad")])[0].message
    'bad'
    """
    return [failure for failure in failures if failure.severity not in ("warning", "info")]


def failures_of(results: Iterable[CheckResult]) -> list[CheckFailure]:
    """What failed. Raises ChecksNotRun (a GateError) where any expectation could not run.

    >>> failures_of([CheckResult("labels", "expect_x", "passed", "fine")])
    []
    """
    results = list(results)
    if not_run(results):
        raise ChecksNotRun(results)
    return [
        CheckFailure(
            suite=result.suite,
            expectation=result.expectation,
            message=result.message,
            dataset=result.dataset,
            column=result.column,
            observed=result.observed,
            severity=result.severity,
            keys=result.keys,
        )
        for result in results
        if result.state != "passed"
    ]


@dataclass(frozen=True)
class Verdict:
    """What was said of one candidate: `kind` rules means that only rules changed, for `reason`.

    `into` is the branch whose gate said it; a verdict of an earlier datahub names none. `signature`
    (core.signing) is there where the rules of the branch ask for one. `results` are all that the
    gate found, passed expectations too; no object on disk holds them, so a verdict that was read
    has none.
    """

    passed: bool
    content_id: str
    source: str
    judged_head: str
    suite_hash: str
    time: dt.datetime
    kind: Literal["data", "rules"] = "data"
    failures: tuple[CheckFailure, ...] = ()
    checks: int = 0
    reason: str = ""
    signature: str = ""
    into: str = ""
    results: tuple[CheckResult, ...] = field(default=(), compare=False)

    def to_json(self) -> str:
        """Write as canonical JSON."""
        plain = asdict(replace(self, results=()))
        raw = {"format": SIGNED_FORMAT, **plain, "time": self.time.isoformat()}
        del raw["results"]
        if not self.signature:
            raw["format"] = VERDICT_FORMAT
            del raw["signature"]
        if not self.into:
            del raw["into"]
        return to_canonical_json(raw)

    @classmethod
    def from_json(cls, text: str | bytes) -> Verdict:
        """Read what `to_json` wrote. Raises ConfigError for another format, ValueError for none."""
        raw = json.loads(text)
        if not isinstance(raw, dict):
            raise ValueError("This is no verdict.")
        if raw.pop("format", None) != (SIGNED_FORMAT if "signature" in raw else VERDICT_FORMAT):
            raise ConfigError(
                "A verdict has a format version that this datahub does not know.",
                hint="Upgrade datahub.",
            )
        texts = {name: raw.get(name, "") for name in _TEXTS}
        if (
            "results" in raw
            or type(raw.get("passed")) is not bool
            or {*map(type, texts.values())} != {str}
        ):
            raise ValueError("This is no verdict.")
        "".join(texts.values()).encode()  # half a letter is a ValueError
        return cls(
            **{
                **raw,
                "time": dt.datetime.fromisoformat(raw["time"]),
                "failures": tuple(
                    CheckFailure(**{**failure, "keys": tuple(failure.get("keys", ()))})
                    for failure in raw["failures"]
                ),
            }
        )


def gates_of(gates_toml: bytes | None) -> list[Gate]:
    r"""Read gates.toml. Raises ConfigError when it cannot be understood.

    >>> gates_of(b'[[gate]]\nbranch = "main"\ndataset = "news"\nsuite = "labels.json"\n')
    [Gate(branch='main', dataset='news', suite='expectations/labels.json', table='labels')]
    >>> gates_of(None)
    []
    """
    return [_gate(entry) for entry in _read(gates_toml).get("gate", [])]


def signed_by(gates_toml: bytes | None) -> str:
    """The id of the secret that signs verdicts (core.signing); empty where none is asked for.

    >>> signed_by(b'signed_by = "73a2b7ed1b0c5d9e"')
    '73a2b7ed1b0c5d9e'
    """
    return str(_read(gates_toml).get("signed_by", ""))


def guards(gates: list[Gate], branch: str) -> list[Gate]:
    """The gates of one branch."""
    return [gate for gate in gates if gate.branch == branch]


_EXAMPLE = (
    'Write it as: [[gate]] branch = "main", dataset = "news", table = "labels", '
    'suite = "labels.json", one assignment a line.'
)


def _read(gates_toml: bytes | None) -> dict[str, Any]:
    if gates_toml is None:
        return {}
    try:
        raw = tomllib.loads(gates_toml.decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"expectations/gates.toml is not TOML: {error}", hint=_EXAMPLE) from error
    if set(raw) - {"gate", "signed_by"} or not isinstance(raw.get("gate", []), list):
        raise ConfigError("expectations/gates.toml may hold only [[gate]] tables.", hint=_EXAMPLE)
    signer = raw.get("signed_by", "0" * 16)
    if not isinstance(signer, str) or not re.fullmatch("[0-9a-f]{16}", signer):
        raise ConfigError(
            f"signed_by in expectations/gates.toml is {signer!r}, which is no id of a secret.",
            hint="`datahub gate key` prints the id of the secret in DATAHUB_VERDICT_SECRET; "
            "leave signed_by out for verdicts without a signature.",
        )
    return raw


def _gate(entry: Mapping[str, object]) -> Gate:
    if not isinstance(entry, dict) or any(not isinstance(v, str) for v in entry.values()):
        raise ConfigError("A [[gate]] in gates.toml may hold text only.", hint=_EXAMPLE)
    missing = {"branch", "dataset", "suite"} - set(entry)
    unknown = set(entry) - {"branch", "dataset", "suite", "table"}
    if missing or unknown:
        problem = f"lacks {sorted(missing)}" if missing else f"does not know {sorted(unknown)}"
        raise ConfigError(f"A [[gate]] in gates.toml {problem}.", hint=_EXAMPLE)
    table = str(entry.get("table", "labels"))
    if table not in TABLES:
        raise ConfigError(
            f"A [[gate]] names the table {table!r}.", hint=f"Tables are {', '.join(TABLES)}."
        )
    suite = str(entry["suite"]).removeprefix(RULES)
    return Gate(str(entry["branch"]), str(entry["dataset"]), RULES + suite, table)


class GateRefused(DatahubError):
    """The data said no. An outcome, not a crash."""

    code = "gate_refused"

    def __init__(self, verdict: Verdict, into: str) -> None:
        count = len(verdict.failures)
        noun = "expectation" if count == 1 else "expectations"
        super().__init__(
            f"The gate of {into!r} refused {verdict.source[:12]}: {count} {noun} failed.",
            hint="Fix what the reasons name on the source branch, then merge again.",
        )
        self.verdict = verdict
        self.into = into
