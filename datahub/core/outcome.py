"""The policy: what becomes of a row. Accept it, ask a person, ask for more, or discard it.

accept: its label is taken. ask: a person should see it. more: people have seen it and could not
say or disagree, or there is too little text to judge: more must be known about the row, or more
people asked. discard: so many people could not say, or its trust is below what the policy keeps.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

import polars as pl

from datahub.core.accept import Threshold, threshold
from datahub.core.dataset import Key, to_canonical_json
from datahub.core.errors import ConfigError, InputError

FORMAT = 1

Outcome = Literal["accept", "ask", "more", "discard"]


@dataclass(frozen=True)
class Policy:
    """How much error may be accepted, how sure that must be, and what else decides.

    `unmeasured` is what becomes of labels that nothing doubts while no threshold is measured:
    "ask" (a person sees them), or "accept" (untested; their status stays `unmeasured`).
    A row whose texts have fewer than `min_text` characters asks for more; one that
    `discard_after` people could not label, or of a trust below `discard_below`, is discarded.
    """

    max_error: float = 0.05
    confidence: float = 0.95
    unmeasured: str = "ask"
    min_text: int = 1
    discard_after: int = 2
    discard_below: float = 0.0

    def __post_init__(self) -> None:
        """Raises ConfigError where a value makes no policy."""
        shares = (self.max_error, self.confidence)
        if not all(0 < share < 1 for share in shares) or not 0 <= self.discard_below <= 1:
            raise ConfigError(
                f"max_error {self.max_error}, confidence {self.confidence} and discard_below "
                f"{self.discard_below} make no policy.",
                hint="The first two lie between 0 and 1, the last from 0 to 1.",
            )
        if self.unmeasured not in ("accept", "ask") or self.min_text < 0 or self.discard_after < 1:
            raise ConfigError(
                f"unmeasured {self.unmeasured!r}, min_text {self.min_text} and discard_after "
                f"{self.discard_after} make no policy.",
                hint="unmeasured is accept or ask, discard_after 1 or more.",
            )


@dataclass(frozen=True)
class Triage:
    """triage.json of a commit: the policy, and the thresholds that were measured under it.

    `covered` is of rows that the models label, `uncovered` of rows no LF voted on, whose label
    would be the end model's. Each holds for itself.
    """

    policy: Policy
    covered: Threshold
    uncovered: Threshold

    def to_json(self) -> str:
        """Write as canonical JSON."""
        return to_canonical_json({"format": FORMAT, **asdict(self)})

    @classmethod
    def from_json(cls, text: str | bytes) -> Triage:
        """Read what `to_json` wrote."""
        raw: dict[str, Any] = json.loads(text)
        if raw.pop("format", None) != FORMAT:
            raise InputError(
                "triage.json has a format version that this datahub does not know.",
                hint="Upgrade datahub, or run `datahub label fit` again.",
            )
        return cls(
            Policy(**raw["policy"]), Threshold(**raw["covered"]), Threshold(**raw["uncovered"])
        )


def find_thresholds(
    scores: pl.DataFrame, answers: Mapping[Key, str], *, key: str, policy: Policy
) -> Triage:
    """Find the accept thresholds from people's blind answers to rows drawn at random."""
    answer_frame = pl.DataFrame(
        {key: list(answers), "said": list(answers.values())},
        schema={key: scores.schema[key], "said": pl.String},
    )
    scored_rows = scores.join(answer_frame, on=key, how="inner").sort(key)
    labels = scored_rows.filter(pl.col("label").is_not_null())
    silent = scored_rows.filter(pl.col("confidence").is_null() & pl.col("end_label").is_not_null())
    return Triage(
        policy, _threshold_for(labels, "label", policy), _threshold_for(silent, "end_label", policy)
    )


def _threshold_for(rows: pl.DataFrame, guess: str, policy: Policy) -> Threshold:
    return threshold(
        rows["trust"].to_numpy(),
        (rows[guess] != rows["said"]).to_numpy(),
        max_error=policy.max_error,
        confidence=policy.confidence,
    )


NO_THRESHOLDS = Triage(Policy(), *[threshold([], [], max_error=Policy.max_error)] * 2)


def good_labels(triage: Triage) -> tuple[pl.Expr, pl.Expr]:
    """Which rows of scores have a label that is good enough: the models', and the end model's."""
    has_label = pl.col("label").is_not_null()
    silent = pl.col("confidence").is_null() & pl.col("end_label").is_not_null()
    limit = triage.covered
    if limit.state == "held":
        good = has_label & _above(limit)
    elif limit.state == "unmeasured" and triage.policy.unmeasured == "accept":
        good = has_label & pl.col("doubt").is_null()
    else:
        good = pl.lit(False)
    uncovered_holds = triage.uncovered.state == "held"
    return good, silent & _above(triage.uncovered) if uncovered_holds else pl.lit(False)


def _above(limit: Threshold) -> pl.Expr:
    return pl.lit(True) if limit.at is None else pl.col("trust") >= limit.at


def outcome(good: pl.Expr, policy: Policy) -> pl.Expr:
    """The outcome of each row, from columns people (what they decided), skips, thin and trust."""
    people = pl.col("people")
    is_skip = people == "skipped"
    return (
        pl.when(people == "label")
        .then(pl.lit("accept"))
        .when(is_skip & (pl.col("skips") >= policy.discard_after))
        .then(pl.lit("discard"))
        .when(is_skip | (people == "tie") | pl.col("thin"))
        .then(pl.lit("more"))
        .when(pl.col("trust") < policy.discard_below)
        .then(pl.lit("discard"))
        .when(good)
        .then(pl.lit("accept"))
        .otherwise(pl.lit("ask"))
    )


def why_not(triage: Triage) -> pl.Expr:
    """Why the label of a row that nothing else speaks against is not accepted."""
    limit = triage.covered
    if limit.state == "held" and limit.at is not None:
        low = pl.format("trust {} is below the accept threshold", pl.col("trust").round(2))
        return pl.coalesce("doubt", low)
    if limit.state == "exceeded":
        return pl.coalesce("doubt", pl.lit("audited labels are wrong more often than allowed"))
    return pl.coalesce("doubt", pl.lit("no accept threshold is measured yet"))
