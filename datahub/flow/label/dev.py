"""A label model chosen by a small labeled set: gold labels, or blind answers to audit rows."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from datahub.core.choosing import LEAST, Choice, Opinions, choose
from datahub.core.dataset import Key
from datahub.core.errors import InputError
from datahub.core.labels import ABSTAIN, LabelMatrix, SoftLabels, Votes, estimated_balance
from datahub.core.manifest import ChosenBy
from datahub.core.parts import key_hashes, mix_bits
from datahub.core.relabel import Decision
from datahub.flow.dataset.at import At
from datahub.flow.dataset.features import FeatureReader, read_rows
from datahub.flow.dataset.parts import GOLD_LABEL
from datahub.flow.label.even import learn_from
from datahub.flow.label.judging import lines_of
from datahub.flow.label.looking import Eyes, Says, Sees, lessons_of
from datahub.ports import EndModel, LabelModel, LabelModelFit

MOST = 100  # labeled rows that are spent, unless said
SOURCES = ("gold", "audit")


@dataclass(frozen=True)
class DevRows:
    """Labeled rows that a choice is made by, in order of their keys' ranks, with their votes.

    `left` are the labeled rows of the same source that stay for measuring.
    """

    source: str
    keys: tuple[Key, ...]
    labels: npt.NDArray[np.int64]
    votes: LabelMatrix
    left: int


@dataclass(frozen=True)
class Chosen:
    """The choice, the rows that it was made by, and the fit of the label model under it.

    `sees` is what the end model looked at meanwhile.
    """

    choice: Choice
    rows: DevRows
    model: LabelModel
    fit: LabelModelFit
    sees: Sees

    def to_manifest(self) -> ChosenBy:
        """What label_model.json keeps of it."""
        return ChosenBy(
            source=self.rows.source,
            keys=self.rows.keys,
            temperature=self.choice.setting.temperature,
            right=self.choice.right,
            default_right=self.choice.default_right,
        )


@dataclass(frozen=True)
class ByDev:
    """What labeled rows chose, and how sure that is (core.choosing.Choice has the meanings).

    `rows` were spent on it; `left` labeled rows of that source remain to measure with.
    """

    source: str
    rows: int
    left: int
    model: str
    balance: str
    temperature: float
    right: float
    interval: tuple[float, float]
    default_right: float
    gain: tuple[float, float]
    folds: int

    @classmethod
    def of(cls, chosen: Chosen) -> ByDev:
        """The same, flat."""
        choice, setting = chosen.choice, chosen.choice.setting
        return cls(
            source=chosen.rows.source,
            rows=choice.rows,
            left=chosen.rows.left,
            model=setting.model,
            balance=setting.balance,
            temperature=setting.temperature,
            right=choice.right,
            interval=choice.interval,
            default_right=choice.default_right,
            gain=choice.gain,
            folds=choice.folds,
        )


@dataclass(frozen=True)
class Dev:
    """Choose among models by at most so many rows labeled by a source (flow.label.dev)."""

    source: str
    models: Mapping[str, LabelModel]
    most: int = MOST


def dev_rows(
    at: At, source: str, votes: Votes, decisions: Mapping[Key, Decision], *, most: int, seed: int
) -> DevRows:
    """Draw at most `most` rows that have a vote and a label by that source; the seed draws.

    Raises InputError: a source that says nothing of other rows, or too few rows; NotFound: no gold.
    """
    if source not in SOURCES:
        raise InputError(
            f"A label model cannot be chosen by {source!r}: only gold, or answers to rows that "
            "chance drew, tell of other rows.",
            hint="Use --dev gold or --dev audit. What the queue picks are the least trusted rows.",
        )
    if source == "gold":
        at.check_gold()
    number = {name: i for i, name in enumerate(at.dataset.classes)}
    salt = mix_bits(np.array([seed % 2**64], dtype=np.uint64))
    entries, labeled = list[tuple[int, Key, int, LabelMatrix]](), 0
    for keys, names, lines in _labeled(at, source, decisions):
        gold_rows = [row for row, name in enumerate(names) if name in number]
        labeled += len(gold_rows)
        votes_of_lines = votes[lines]
        ranks = mix_bits(key_hashes(keys) ^ salt)
        entries += [
            (int(ranks[row]), keys[row], number[str(names[row])], votes_of_lines[row])
            for row in gold_rows
            if (votes_of_lines[row] != ABSTAIN).any()
        ]
        entries = sorted(entries, key=lambda line: line[0])[:most]
    if len(entries) < LEAST:
        raise InputError(
            f"{len(entries)} rows with a vote have a label by {source}; a choice needs {LEAST}.",
            hint="Label more rows by hand: as gold, or `datahub review push` asks about them and "
            "`audit_share` says how many of those chance draws.",
        )
    _, chosen, classes, voted_on = zip(*entries, strict=True)
    labels = np.array(classes, dtype=np.int64)
    return DevRows(source, chosen, labels, np.stack(voted_on), labeled - len(entries))


def choose_by(
    at: At,
    rows: DevRows,
    models: Mapping[str, LabelModel],
    *,
    default: str,
    majority: Callable[[slice], SoftLabels],
    votes: Votes,
    eyes: Eyes,
    shares: Sequence[float],
    seed: int,
) -> Chosen:
    """Fit all models and choose one, with a class balance and a temperature.

    Each is fitted under uniform classes; one that cannot be fitted to these votes is left out.
    What the end model looks at is chosen by what the default says.
    """
    fits = dict[str, LabelModelFit]()
    for name, model in models.items():
        try:
            fit = model.fit(votes, cardinality=len(at.dataset.classes), seed=seed, shares=shares)
        except InputError:
            if name == default:
                raise
            continue
        fits[name] = fit

    def says(name: str) -> Says:
        return lambda lines: models[name].predict(fits[name], votes[lines])

    sees = eyes.see(at, says(default))
    candidates = {
        name: Opinions(
            models[name].predict(fit, rows.votes),
            _end(at, says(name), eyes.end_model, sees.reader, rows.keys, seed=seed),
        )
        for name, fit in fits.items()
    }
    balance = estimated_balance(majority(lines) for _, lines in lines_of(at.dataset))
    choice = choose(candidates, rows.labels, balance, default=default)
    name = choice.setting.model
    return Chosen(choice, rows, models[name], fits[name], sees)


def _labeled(
    at: At, source: str, decisions: Mapping[Key, Decision]
) -> Iterator[tuple[pl.Series, list[str | None], slice]]:
    """Keys of each part's rows, the label that the source gives each, and the part's lines."""
    labels = {key: decision.label for key, decision in decisions.items() if key in at.audit_keys}
    for part, lines in lines_of(at.dataset):
        if source == "audit":
            frame = at.part("rows", part, [at.key])
            assert frame is not None  # dataset.json names no part that is not there
            yield frame[at.key], [labels.get(key) for key in frame[at.key]], lines
        elif (gold := at.part("gold", part, [at.key, GOLD_LABEL])) is not None:
            yield gold[at.key], gold[GOLD_LABEL].to_list(), lines


def _end(
    at: At,
    says: Says,
    end_model: EndModel | None,
    reader: FeatureReader,
    keys: Collection[Key],
    *,
    seed: int,
) -> SoftLabels:
    """What an end model that learns from this label model says of the rows, in their order."""
    k = len(at.dataset.classes)
    if end_model is None or not reader.features.columns:
        return np.full((len(keys), k), np.nan)
    lessons = lessons_of(end_model, reader, at.dataset, says, seed=seed)
    rows = read_rows(reader, at.dataset, keys)
    opinion = learn_from(end_model, lessons, seed=seed, even=True).of(rows.features)
    place = {key: row for row, key in enumerate(rows.keys)}
    return np.asarray(opinion[[place[key] for key in keys]])
