"""LFs that repeat one another, and how much a vote of each should then count.

Two LFs are near-duplicates when, within each class, what one does on a row (votes for
the class, votes for another, abstains) tells most of what the other does: conditional
mutual information, as a share of the smaller of the two entropies: 1 for copies, 0 for
LFs that are independent given the class. The class is taken from a majority vote in
which copies (the same vote on nearly every row that either votes on) share one vote.
So copies are found whatever they outnumber; near-duplicates only where the others
still know the class.

A vote of an LF counts as one over itself and its strengths with others, loose relatives
too: what ten of them say is not ten opinions. LFs that are independent have no strength.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from datahub.core.labels import ABSTAIN, LabelMatrix, SoftLabels, Votes

SAMPLE = 100_000  # rows that are looked at
COPIES = 0.99  # of the rows that either votes on: the same vote
NEAR = 0.5  # half of what an LF does is told by the other
LOOSE = 0.1  # a tenth: what is below is taken for none
FEWEST = 30  # rows that show that an LF votes one class whatever it sees
CHANCE = 4.0  # nats beyond four times what independent LFs show in the mean: p < 0.001

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Dependence:
    """Groups of LFs (columns) that repeat one another, and the share of a vote each LF has.

    `strength` [m, m] is 1 for copies, 0 for LFs that know nothing of one another. An LF's share
    is one vote over itself and its strengths of LOOSE and more, in its group or not.
    """

    groups: tuple[tuple[int, ...], ...]
    shares: Floats
    strength: Floats


def measure_dependence(votes: Votes, cardinality: int, *, seed: int) -> Dependence:
    """Find near-duplicates among LFs, on a sample of the rows where there are more than SAMPLE.

    >>> first = np.array([0, 1, 0, -1, 1, 0] * 9)
    >>> second = np.array([0, 1, 1, -1, 0, 0, 1, -1, 1] * 6)
    >>> votes = np.column_stack([first, second, first]).astype(np.int8)
    >>> dependence = measure_dependence(votes, 2, seed=0)
    >>> dependence.groups, dependence.shares.tolist()
    (((0, 2),), [0.5, 1.0, 0.5])
    """
    m = votes.shape[1]
    if len(votes) > SAMPLE:
        rng = np.random.default_rng(seed)
        votes = votes[np.sort(rng.choice(len(votes), SAMPLE, replace=False, shuffle=False))]
    votes = votes[:]
    votes = votes[(votes != ABSTAIN).any(axis=1)] if m else votes[:0]
    copies = _sameness(votes, cardinality) >= COPIES
    strength = _strength(votes, _majority(votes, cardinality, _share(copies)))
    strength[_constant_copies(votes)] = 1
    shares = _share(np.where(strength >= LOOSE, strength, 0))
    return Dependence(_groups(strength >= NEAR), shares, strength)


def _sameness(votes: LabelMatrix, cardinality: int) -> Floats:
    """The same vote, as a share of the rows on which either LF votes: [m, m]."""
    m = votes.shape[1]
    equal: Floats = np.zeros((m, m))
    for y in range(cardinality):
        indicator = (votes == y)[(votes == y).any(axis=1)].astype(np.float32)
        equal += indicator.T @ indicator
    has_vote = (votes != ABSTAIN).astype(np.float32)
    overlap = (has_vote.T @ has_vote).astype(np.float64)
    union = overlap.diagonal()[:, None] + overlap.diagonal()[None, :] - overlap
    share = np.divide(equal, union, out=np.zeros((m, m)), where=union > 0)
    np.fill_diagonal(share, 0)
    return np.asarray(share)


def _constant_copies(votes: LabelMatrix) -> npt.NDArray[np.bool_]:
    """Pairs of LFs that both vote one class, the same one, on every row: [m, m].

    What never changes tells nothing, so that their mutual information is 0.
    """
    m = votes.shape[1]
    if len(votes) < FEWEST:
        return np.zeros((m, m), dtype=np.bool_)
    first = votes[0]
    constant = (votes == first).all(axis=0) & (first != ABSTAIN)
    copies = constant[:, None] & constant[None, :] & (first[:, None] == first[None, :])
    np.fill_diagonal(copies, val=False)
    return np.asarray(copies)


def _majority(votes: LabelMatrix, cardinality: int, shares: Floats) -> SoftLabels:
    """Each row's class by weighted majority; tied classes share it."""
    weight = np.zeros((len(votes), cardinality))
    for column, share in zip(votes.T, shares, strict=True):
        rows = np.flatnonzero(column != ABSTAIN)
        weight[rows, column[rows]] += share
    is_best = weight >= weight.max(axis=1, keepdims=True, initial=0) - 1e-9
    return np.asarray(is_best / is_best.sum(axis=1, keepdims=True))


def _strength(votes: LabelMatrix, soft: SoftLabels) -> Floats:
    """Conditional mutual information over the smaller conditional entropy: [m, m]."""
    m = votes.shape[1]
    information: Floats = np.zeros((m, m))
    own: Floats = np.zeros(m)
    freedom: Floats = np.zeros((m, m))  # what chance alone shows: half a nat each
    together: Floats = np.zeros((m, m))  # rows on which both do the same, beyond what chance gives
    for y in range(soft.shape[1]):
        rows = np.flatnonzero(soft[:, y])
        if len(rows) == 0:
            continue
        weight = soft[rows, y]
        joint = _joint(votes[rows], y, weight)
        information += weight.sum() * _information(joint, weight.sum())
        own += weight.sum() * _entropy(joint, weight.sum())
        together += _excess(joint, weight.sum())
        choices = (joint.sum(axis=1).diagonal(axis1=1, axis2=2) > 0).sum(axis=0) - 1
        freedom += np.outer(choices, choices)
    smaller = np.minimum(own[:, None], own[None, :])
    # LFs that avoid one another tell of one another, too, but repeat nothing; and among rows
    # with a vote, of which some LF must have voted, any two avoid one another a little.
    significant = (smaller > 0) & (information > 2 * freedom + CHANCE) & (together > 0)
    strength = np.divide(information, smaller, out=np.zeros((m, m)), where=significant)
    np.fill_diagonal(strength, 0)
    return np.asarray(np.minimum(strength, 1))


def _joint(votes: LabelMatrix, y: int, weight: Floats) -> Floats:
    """Weighted counts [3, 3, m, m] of what two LFs do: vote y, vote another, abstain."""
    right = votes == y
    wrong = (votes != y) & (votes != ABSTAIN)
    indicators = np.hstack([right, wrong]).astype(np.float64)  # in float32, copies are not quite 1
    m = votes.shape[1]
    pairs = indicators.T @ (indicators * weight[:, None])
    joint = np.empty((3, 3, m, m))
    joint[:2, :2] = pairs.reshape(2, m, 2, m).transpose(0, 2, 1, 3)
    alone = np.stack([pairs[:m, :m].diagonal(), pairs[m:, m:].diagonal()])
    joint[:2, 2] = alone[:, :, None] - joint[:2, :2].sum(axis=1)
    joint[2, :2] = alone[:, None, :] - joint[:2, :2].sum(axis=0)
    joint[2, 2] = weight.sum() - joint[:2, :2].sum(axis=(0, 1)) - joint[:2, 2].sum(axis=0)
    joint[2, 2] -= joint[2, :2].sum(axis=0)
    return np.maximum(joint, 0)


def _information(joint: Floats, total: float) -> Floats:
    p = joint / total
    first, second = p.sum(axis=1, keepdims=True), p.sum(axis=0, keepdims=True)
    apart = first * second
    ratio = np.divide(p, apart, out=np.ones_like(p), where=(p > 0) & (apart > 0))
    return np.asarray((p * np.log(ratio)).sum(axis=(0, 1)))


def _excess(joint: Floats, total: float) -> Floats:
    """Rows on which both vote right, or both wrong, less what independent LFs would show."""
    agreements: Floats = joint[0, 0] + joint[1, 1]
    first, second = joint.sum(axis=1) / total, joint.sum(axis=0) / total
    return np.asarray(agreements - total * (first[0] * second[0] + first[1] * second[1]))


def _entropy(joint: Floats, total: float) -> Floats:
    p = (joint.sum(axis=1) / total).diagonal(axis1=1, axis2=2)
    return np.asarray(-(p * np.log(np.where(p > 0, p, 1))).sum(axis=0))


def _groups(links: npt.NDArray[np.bool_]) -> tuple[tuple[int, ...], ...]:
    """Sets of LFs that are linked, directly or through others."""
    nodes, groups = set(range(len(links))), []
    while nodes:
        group, edge = set(), {min(nodes)}
        while edge:
            group |= edge
            edge = {int(j) for i in edge for j in np.flatnonzero(links[i])} - group
        nodes -= group
        groups.append(tuple(sorted(group)))
    return tuple(group for group in groups if len(group) > 1)


def _share(strength: Floats | npt.NDArray[np.bool_]) -> Floats:
    """One vote over an LF itself and its strengths [m, m] with the others."""
    return np.asarray(1 / (1 + strength.sum(axis=1)))
