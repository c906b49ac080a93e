"""How far people agree is one number, in whatever order their rows are read."""

from __future__ import annotations

from itertools import permutations

from datahub.core.agreement import alpha

ROWS = ["abba", "bcc", "abab"]  # summed one by one, alpha had two values in its last digit


def test_alpha_is_the_same_to_the_last_bit_in_every_order_of_rows() -> None:
    assert len({alpha(rows) for rows in permutations(ROWS)}) == 1
