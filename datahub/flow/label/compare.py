"""All label models on the same votes, several seeds each, side by side. Commits nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, partial

import numpy as np
import numpy.typing as npt

from datahub.core.dataset import Dataset
from datahub.core.dependence import measure_dependence
from datahub.core.errors import ConfigError, InputError
from datahub.core.in_html import InHTML
from datahub.core.labels import (
    ABSTAIN,
    Gold,
    LabelMatrix,
    SoftLabels,
    class_prior,
    combine,
    hard_labels,
)
from datahub.core.trust import interval
from datahub.flow.dataset.at import At
from datahub.flow.dataset.features import FeatureReader
from datahub.flow.dataset.votes import current_votes, gold_numbers, read_votes
from datahub.flow.label.even import learn_from
from datahub.flow.label.fit import Alike, Balance, name_groups, predict, resolve_balance
from datahub.flow.label.judging import lines_of
from datahub.flow.label.looking import Eyes, lessons_of
from datahub.flow.steps import Progress, quiet
from datahub.ports import EndModel, LabelModel


@dataclass(frozen=True)
class ModelLine:
    """One model's line: shares of the rows that have a vote, of the first seed unless said.

    `estimated` is the model's own mean confidence; `accuracy` what gold says on `gold_rows`, with
    its 95% interval (Wilson); a tie is not right. `accuracies` are of all seeds; `seed_spread` is
    the share of rows whose label is not the same with every seed. `agreement` is with each other
    model. `left_out` says why a model gave nothing.
    """

    model: str
    agreement: Mapping[str, float]
    estimated: float | None = None
    accuracy: float | None = None
    interval: tuple[float, float] | None = None
    gold_rows: int = 0
    accuracies: tuple[float, ...] = ()
    seed_spread: float | None = None
    seconds: float = 0.0
    left_out: str = ""


@dataclass(frozen=True)
class Comparison(InHTML):
    """All models; `default` is what `label fit` would use. Uncovered rows have no vote."""

    dataset: str
    rows: int
    covered: int
    uncovered: int
    seeds: tuple[int, ...]
    default: str
    class_balance: dict[str, float]
    balance_from: str
    correlated: tuple[Alike, ...]
    models: tuple[ModelLine, ...]


@dataclass
class _Trials:
    """Labels of one model by seed, and the seconds of all of them.

    `mask` says which rows have soft labels, `confidence` is their mean with the first seed.
    """

    labels: list[Gold] = field(default_factory=list)
    mask: npt.NDArray[np.bool_] | None = None
    confidence: float | None = None
    seconds: float = 0.0
    failure: str = ""

    def add(self, parts: Iterable[SoftLabels]) -> None:
        """Take one seed's soft labels, a part at a time."""
        labels, masks, total = list[Gold](), list[npt.NDArray[np.bool_]](), 0.0
        for soft in parts:
            has_vote = np.asarray(~np.isnan(soft).any(axis=1))
            labels.append(hard_labels(soft))
            masks.append(has_vote)
            total += float(soft[has_vote].max(axis=1, initial=0).sum())
        self.labels.append(np.concatenate(labels))
        if self.mask is None:
            self.mask = np.concatenate(masks)
            self.confidence = total / int(self.mask.sum()) if self.mask.any() else None


def compare(
    at: At,
    *,
    models: Mapping[str, LabelModel],
    default: str,
    seeds: Sequence[int],
    clock: Callable[[], float],
    class_balance: Balance = None,
    eyes: Eyes,
    progress: Progress = quiet,
) -> Comparison:
    """Fit every model with every seed, alone and with the end model's word put to it.

    Gold is read for the accuracies alone. Raises InputError when the votes are not of these rows,
    NotFound when there are none, ConfigError without a seed.
    """
    if not seeds:
        raise ConfigError("A comparison needs a seed.", hint="For example `--seeds 3`.")
    manifest = current_votes(at)
    votes, k = read_votes(at, manifest), len(at.dataset.classes)
    alike = measure_dependence(votes, k, seed=seeds[0])
    shares = alike.shares.tolist()
    plain = predict(models["majority"], votes, k, seed=seeds[0])
    balance, balance_from = resolve_balance(class_balance, [plain])
    with_default = partial(predict, models[default], votes, k, seed=seeds[0])
    soft = cache(lambda: with_default(class_balance=balance, shares=shares))
    reader = eyes.see(at, lambda lines: soft()[lines]).reader
    end_model = eyes.end_model if reader.features.columns else None
    eye = _Asking(at.dataset, reader, end_model) if end_model else None
    trials: dict[str, _Trials] = {}
    for number, (name, model) in enumerate(models.items()):
        trials |= _try_model(name, model, eye, votes, shares, balance, seeds, k, clock)
        progress("compare", number + 1, len(models))
    rows_with_votes = int((votes != ABSTAIN).any(axis=1).sum())
    product = default if end_model is None else f"{default}*{end_model.name}"
    prior, source = class_prior(balance, k)
    return Comparison(
        dataset=at.name,
        rows=at.dataset.rows,
        covered=rows_with_votes,
        uncovered=at.dataset.rows - rows_with_votes,
        seeds=tuple(seeds),
        default=next(name for name in (product, default) if name in trials),
        class_balance=dict(zip(at.dataset.classes, map(float, prior), strict=True)),
        balance_from=balance_from or source,
        correlated=name_groups(alike, manifest.names),
        models=_model_lines(trials, _gold(at)),
    )


@dataclass(frozen=True)
class _Asking:
    """An end model, and the rows that it is asked about."""

    dataset: Dataset
    reader: FeatureReader
    end_model: EndModel

    def times(self, soft: SoftLabels, *, seed: int) -> Iterator[SoftLabels]:
        """The product of soft labels and what the end model learns from them, part by part."""
        lessons = lessons_of(
            self.end_model, self.reader, self.dataset, lambda lines: soft[lines], seed=seed
        )
        opinion = learn_from(self.end_model, lessons, seed=seed, even=True)
        for part, lines in lines_of(self.dataset):
            yield combine(soft[lines], opinion.of(self.reader.of(part).features))


def _try_model(
    name: str,
    model: LabelModel,
    eye: _Asking | None,
    votes: LabelMatrix,
    shares: Sequence[float],
    balance: Sequence[float] | None,
    seeds: Sequence[int],
    cardinality: int,
    clock: Callable[[], float],
) -> dict[str, _Trials]:
    """The trials of a model, and of its product with the end model where it sees anything."""
    alone, product = _Trials(), _Trials()
    for seed in seeds:
        start = clock()
        try:
            soft = predict(
                model, votes, cardinality, seed=seed, class_balance=balance, shares=shares
            )
        except InputError as error:
            return {name: _Trials(failure=error.message)}
        alone.add([soft])
        alone.seconds += clock() - start
        if eye is not None:
            product.add(eye.times(soft, seed=seed))
            product.seconds += clock() - start
    if eye is None:
        return {name: alone}
    return {name: alone, f"{name}*{eye.end_model.name}": product}


def _gold(at: At) -> Gold:
    if at.dataset.has_gold:
        return gold_numbers(at)
    return np.full(at.dataset.rows, ABSTAIN, dtype=np.int8)


def _model_lines(trials: Mapping[str, _Trials], gold: Gold) -> tuple[ModelLine, ...]:
    return tuple(
        ModelLine(name, {}, left_out=trial.failure)
        if trial.mask is None
        else _line(name, trial, trial.mask, trials, gold)
        for name, trial in trials.items()
    )


def _line(
    name: str,
    own: _Trials,
    mask: npt.NDArray[np.bool_],
    trials: Mapping[str, _Trials],
    gold: Gold,
) -> ModelLine:
    runs = own.labels
    with_gold = mask & (gold != ABSTAIN)
    right = [int((labels[with_gold] == gold[with_gold]).sum()) for labels in runs]
    n = int(with_gold.sum())
    return ModelLine(
        model=name,
        agreement={
            model: float((runs[0][mask] == trial.labels[0][mask]).mean())
            for model, trial in trials.items()
            if trial.labels and model != name and mask.any()
        },
        estimated=own.confidence,
        accuracy=right[0] / n if n else None,
        interval=interval(right[0], n) if n else None,
        gold_rows=n,
        accuracies=tuple(count / n for count in right) if n else (),
        seed_spread=float((np.stack(runs) != runs[0])[:, mask].any(axis=0).mean())
        if mask.any()
        else None,
        seconds=own.seconds / len(runs),
    )
