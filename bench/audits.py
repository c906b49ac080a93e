"""Audits of a published set, drawn a thousand times: how much is accepted, and what is promised.

Labels are those before any answer of the queue. Each audit draws rows with a vote at random, has
them answered by gold, and tests the accept threshold at a twentieth of wrong labels. A promise is
broken where more than that are wrong among all rows that the threshold accepts. Beside the rank by
trust stands that of a datahub before decision 39 (the mean of both models' words).

ECE: the mean distance between trust and the share of right labels, over ten bins of equally many
rows, before and after calibration by one audit of 60 rows; measured on the rest.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from bench.accuracy import published, published_there
from bench.harness import Case, Figures, Result, Watch
from bench.triage import Pool
from bench.vote_sets import SIX

AUDITS = 1000
SIZES = (75, 150, 300)
LEARNED_FROM = 60  # audited rows that calibrate, of one audit
MAX_ERROR = 0.05
RISK = 0.05

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]


def audits(watch: Watch) -> Figures:
    """Six sets: accepted share and broken promises by size of the audit, and ECE."""
    table, broken, accepted = list[tuple[str, ...]](), list[float](), dict[str, list[float]]()
    for name in SIX:
        pool = Pool(published(name)(watch), seed=0)
        pool.judge(informs=False)
        scores = pool.scores()
        labeled = scores["label"].is_not_null().to_numpy()
        wrong = pool.wrong[labeled]
        ranks = {"trust": scores["trust"].to_numpy(), "mean": scores["queue_trust"].to_numpy()}
        cells = []
        for how, trust in ranks.items():
            for size in SIZES:
                shares, breaks = _audited(trust[labeled], wrong, size)
                accepted.setdefault(f"{how} {size}", []).append(100 * shares)
                broken.append(breaks)
                cells.append(f"{100 * shares:.1f} ({100 * breaks:.1f})")
        before, after = _errors(ranks["trust"][labeled], wrong)
        earlier, _ = _errors(ranks["mean"][labeled], wrong)
        table.append((name, *cells, f"{earlier:.2f}", f"{before:.2f}", f"{after:.2f}"))
    means = {how: float(np.mean(shares)) for how, shares in accepted.items()}
    table.append(("mean", *(f"{share:.1f}" for share in means.values()), "-", "-", "-"))
    columns = (
        "set",
        *(f"{how}, {size} audited: % accepted (% broken)" for how in ranks for size in SIZES),
        *("ECE, mean", "ECE, trust", "calibrated"),
    )
    return {"accepted": means, "broken": max(broken), "columns": columns, "table": table}


def _audited(trust: Floats, wrong: Bools, size: int) -> tuple[float, float]:
    """Mean share of rows accepted, and the share of audits whose promise is broken."""
    from datahub.core.accept import threshold

    numbers = np.random.default_rng(size)
    shares, broken = 0.0, 0
    for _ in range(AUDITS):
        rows = numbers.choice(len(trust), size, replace=False)
        found = threshold(trust[rows], wrong[rows], max_error=MAX_ERROR, confidence=1 - RISK)
        if found.state == "held":
            taken = trust >= (-np.inf if found.at is None else found.at)
            shares += float(taken.mean())
            broken += bool(wrong[taken].mean() > MAX_ERROR)
    return shares / AUDITS, broken / AUDITS


def _errors(trust: Floats, wrong: Bools) -> tuple[float, float]:
    """ECE of the rows that one audit leaves, before and after it calibrates."""
    from datahub.core.calibrating import calibrate, reliability

    order = np.random.default_rng(0).permutation(len(trust))
    rows, rest = order[:LEARNED_FROM], order[LEARNED_FROM:]
    after = calibrate(trust[rows], ~wrong[rows]).of(trust[rest])
    raw, true = reliability(trust[rest], ~wrong[rest]), reliability(after, ~wrong[rest])
    assert raw is not None  # sets are large
    assert true is not None
    return raw.error, true.error


def promised(result: Result) -> bool:
    """Whether half the audited rows promise as much as before, and promises are kept."""
    ours: Any = result.figures["ours"]
    share = ours["accepted"]
    half = all(share[f"trust {size // 2}"] >= share[f"mean {size}"] for size in SIZES[1:])
    return bool(half and ours["broken"] <= RISK)


CASES: tuple[Case, ...] = (
    Case(
        "audits_six",
        "1,000 simulated audits of each of six published sets, at most 5% wrong with 95%",
        audits,
        no_peer="the rank before decision 39 is in the table",
        goal="as much accepted by half the audited rows; promises broken by 5% of audits at most",
        met=promised,
        needs=published_there("chemprot_half"),
        timeout=3600.0,
    ),
)
