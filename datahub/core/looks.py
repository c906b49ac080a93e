"""What an end model should look at, by how well it foretells soft labels of rows held out."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from datahub.core.features import Looks
from datahub.core.labels import SoftLabels

LOOKS: tuple[Looks, ...] = ("words", "vectors", "both")
ENOUGH = 0.6  # of what words explain beyond class sizes: then vectors explain enough


def likelihood(soft: SoftLabels, opinion: SoftLabels) -> float | None:
    """Mean log-likelihood of soft labels under an opinion, a row; None where it is silent.

    >>> round(likelihood(np.array([[1.0, 0.0]]), np.array([[0.5, 0.5]])), 2)
    -0.69
    """
    if len(soft) == 0 or np.isnan(opinion).any():
        return None
    return float((soft * np.log(np.maximum(opinion, 1e-12))).sum(axis=1).mean())


def choose_looks(likelihoods: Mapping[Looks, float], *, nothing: float) -> Looks:
    """Vectors, where they explain enough; else the likeliest, and words of equals.

    `nothing` is the likelihood of class sizes alone. LFs are often words, and an end model that
    sees words finds these again: what it says is likelier, and less of a second opinion.

    >>> choose_looks({"words": -1.5, "vectors": -1.6, "both": -1.4}, nothing=-1.8)
    'vectors'
    >>> choose_looks({"words": -1.5, "vectors": -1.7, "both": -1.4}, nothing=-1.8)
    'both'
    """
    candidates = [looks for looks in LOOKS if looks in likelihoods]
    if not candidates:
        return "words"
    if "vectors" in candidates:
        by_words = likelihoods.get("words", nothing) - nothing
        by_vectors = likelihoods["vectors"] - nothing
        if by_vectors > 0 and by_vectors >= ENOUGH * by_words:
            return "vectors"
    return max(candidates, key=lambda looks: likelihoods[looks])
