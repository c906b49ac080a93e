"""What fits of label models have in common: premises, and the patterns that EM learns from."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from datahub.core.evidence import Codes
from datahub.core.labels import OfLFs, Votes, class_prior, voting_lfs
from datahub.core.patterns import Counts, patterns_or_drawn

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Premises:
    """What a fit takes for granted: class prior [k], how it was got, and a share an LF [m]."""

    prior: Floats
    balance_from: str
    shares: Floats

    @classmethod
    def of(
        cls,
        votes: Votes,
        cardinality: int,
        class_balance: Sequence[float] | None,
        shares: Sequence[float] | None,
    ) -> Premises:
        """Raises InputError for a class balance that does not fit.

        >>> Premises.of(np.empty((0, 3), dtype=np.int8), 2, None, None).shares.tolist()
        [1.0, 1.0, 1.0]
        """
        prior, balance_from = class_prior(class_balance, cardinality)
        full = np.ones(votes.shape[1])
        power = full if shares is None else np.array(shares, dtype=np.float64)
        return cls(prior, balance_from, power)


@dataclass(frozen=True)
class VotePatterns:
    """Different rows of votes of LFs that vote, packed, how often each came, and in how many rows.

    `prior` and `shares` are of the premises, shares those of these LFs.
    """

    codes: Codes
    times: Counts
    rows: int
    prior: Floats
    shares: Floats


def learn_by_patterns(
    votes: Votes,
    premises: Premises,
    learn: Callable[[VotePatterns], tuple[Floats, Floats]],
    *,
    most: int,
    seed: int,
) -> tuple[Floats, Floats]:
    """What `learn` makes of patterns: an array [m, k, k], and how right each LF is [m].

    Both are NaN for an LF that never votes. Where there are more than `most` patterns, as many
    rows, drawn by the seed, are learned from.
    """
    m, k = votes.shape[1], len(premises.prior)
    confusion, right = np.full((m, k, k), np.nan), np.full(m, np.nan)
    voters = voting_lfs(votes, k)
    audible = votes if len(voters) == m else OfLFs(votes, voters)
    rows, (codes, times) = patterns_or_drawn(audible, k, most=most, seed=seed)
    patterns = VotePatterns(codes, times, rows, premises.prior, premises.shares[voters])
    confusion[voters], right[voters] = learn(patterns)
    return confusion, right
