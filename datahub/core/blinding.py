"""What a person may see of why a row is asked, so that audit rows look like all others.

Audit rows have no guess. So others show none either, by lot and as often: that a guess is missing
tells no more than a coin does. The lot is the row's own, and the same whenever it is shown.
"""

from __future__ import annotations

import hashlib

from datahub.core.triage import Task


def shown_guess(task: Task, *, audit_share: float) -> str | None:
    """The class that a person is shown as a guess, or None; `audit_share` is that of a push.

    >>> def task(key, slice, guess):
    ...     return Task(key, "hash", {}, "why", slice, guess, 0.1)
    >>> shown_guess(task(1, "doubt", "spam"), audit_share=0.0)
    'spam'
    >>> shown_guess(task(1, "audit", None), audit_share=0.2) is None
    True
    >>> guesses = [shown_guess(task(n, "doubt", "spam"), audit_share=0.2) for n in range(800)]
    >>> 150 < guesses.count(None) < 250  # of 800, which come with 200 audit rows
    True
    """
    if task.slice == "audit" or task.prediction is None:
        return None
    without = 1.0 if audit_share >= 0.5 else audit_share / (1 - audit_share)
    digest = hashlib.sha256(f"{task.row_hash}/{task.key!r}".encode()).digest()
    lot: float = int.from_bytes(digest[:8], "big") / 2**64
    return None if lot < without else task.prediction
