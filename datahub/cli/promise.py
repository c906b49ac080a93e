"""What labels rest on, in a line each: the class balance, and what the threshold promises."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from datahub.core.class_names import first_names

if TYPE_CHECKING:
    from datahub.core.accept import Threshold
    from datahub.core.outcome import Triage


def balance(how: str, shares: Mapping[str, float]) -> str:
    """The class balance that the label model took for true, and how it was got."""
    text = first_names([f"{name} {part:.3f}" for name, part in shares.items()])
    return f"class balance {how}: {text}"


def acceptance_line(level: Threshold, triage: Triage, *, is_uncovered: bool = False) -> str:
    """What the audit slice lets be accepted, and how sure that is."""
    policy = triage.policy
    limit = f"{policy.max_error:.1%}"
    if level.state == "held":
        at = "all labels" if level.at is None else f"labels of trust {level.at:.3f} or more"
        return (
            f"{at} are accepted: {level.wrong} of {level.audited} audited are wrong, with "
            f"{policy.confidence:.0%} confidence no more than {limit} are"
        )
    if level.state == "exceeded":
        return (
            f"none is accepted: {level.wrong} of {level.audited} audited labels are wrong, "
            f"more than {limit} may be"
        )
    accepts = not is_uncovered and policy.unmeasured == "accept"
    rest = "those that nothing doubts are accepted" if accepts else "none is accepted"
    return (
        f"not enough audited rows to promise {limit}: {level.audited} so far ({level.wrong} "
        f"wrong), at least {level.needed} more needed; until then {rest}"
    )
