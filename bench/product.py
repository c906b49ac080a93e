"""What `label fit` makes of votes and texts, without its commits: for cases that hold many fits."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from datahub.core.features import Features
from datahub.core.labels import LabelMatrix, SoftLabels
from datahub.ports import EndModel

DEFAULT = "anchored"


def label_model_says(name: str, votes: LabelMatrix, k: int, *, seed: int = 0) -> SoftLabels:
    """Soft labels of one of the label models; LFs that repeat one another share their votes."""
    from datahub.core.dependence import measure_dependence
    from datahub.hub.registry import adapter

    shares = measure_dependence(votes, k, seed=seed).shares.tolist()
    model = adapter("label_model", name)()
    fit = model.fit(votes, cardinality=k, seed=seed, shares=shares)
    soft: SoftLabels = model.predict(fit, votes)
    return soft


def end_model_says(
    end_model: EndModel, features: Features, soft: SoftLabels, *, seed: int = 0
) -> SoftLabels:
    """What the end model says of each row, without the sizes of classes that it learned."""
    import polars as pl

    from datahub.core.lessons import Lessons
    from datahub.flow.label.even import learn_from

    lessons = Lessons(features, soft.shape[1], most=end_model.most_rows, seed=seed)
    lessons.add(pl.int_range(features.rows, eager=True), features, soft)
    return learn_from(end_model, lessons, seed=seed, even=True).of(features)


def both_say(soft: SoftLabels, texts: list[str] | Features, *, seed: int = 0) -> SoftLabels:
    """The label model's opinion times the end model's."""
    from datahub.core.labels import combine
    from datahub.hub.registry import adapter

    features = texts if isinstance(texts, Features) else Features.of_texts(texts)
    end = end_model_says(adapter("end_model", "sklearn")(), features, soft, seed=seed)
    return combine(soft, end)


def rightness(soft: SoftLabels, truth: npt.NDArray[np.int8]) -> npt.NDArray[np.float64]:
    """How right each row is: 1, 0, or 1/t where t classes are tied."""
    top = soft >= soft.max(axis=1, keepdims=True) - 1e-9
    return np.asarray(top[np.arange(len(truth)), truth] / top.sum(axis=1))
