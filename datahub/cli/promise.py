"""What labels rest on, in a line each: the class balance, and what the threshold promises."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datahub.core.accept import Threshold
    from datahub.core.outcome import Triage


def balance(how: str, shares: Mapping[str, float]) -> str:
    """The class balance that the label model took for true, and how it was got."""
    told = ", ".join(f"{name} {part:.3f}" for name, part in shares.items())
    return f"class balance {how}: {told}"


def promised(found: Threshold, triage: Triage, *, uncovered: bool = False) -> str:
    """What the audit slice lets be accepted, and how sure that is."""
    policy = triage.policy
    limit = f"{policy.max_error:.1%}"
    if found.state == "held":
        at = "all labels" if found.at is None else f"labels of trust {found.at:.3f} or more"
        return (
            f"{at} are accepted: {found.wrong} of {found.audited} audited are wrong, with "
            f"{policy.confidence:.0%} confidence no more than {limit} are"
        )
    if found.state == "exceeded":
        return (
            f"none is accepted: {found.wrong} of {found.audited} audited labels are wrong, "
            f"more than {limit} may be"
        )
    accepts = not uncovered and policy.unmeasured == "accept"
    what = "those that nothing doubts are accepted" if accepts else "none is accepted"
    return (
        f"not enough audited rows to promise {limit}: {found.audited} so far ({found.wrong} "
        f"wrong), at least {found.needed} more needed; until then {what}"
    )
