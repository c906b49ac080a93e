"""What the commit says of its votes and of its label model: both as canonical JSON."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from datahub.core.dataset import Key, to_canonical_json
from datahub.core.errors import InputError
from datahub.core.labeling import Fault

# Of label_model.json. In format 1 the end model only gave an opinion; up to format 2 its opinion
# had the sizes of classes in it that it learned. Format 4 is of a model chosen by labeled rows,
# format 5 of an end model that looked at vectors.
MANIFEST_FORMAT = 3
CHOSEN_FORMAT = 4
VECTORS_FORMAT = 5
TUPLES = ("class_balance", "weights", "shares", "features")
VOTES_FORMAT = 2  # of lfs.json; format 1 counted faults of all parts together


@dataclass(frozen=True)
class LFEntry:
    """One LF that voted: who it was, where it stood, and on how many rows of a part it raised.

    `faults` is part -> count, with no entry for a part without faults. None: counted in an
    earlier format, for all parts together, which is `fault_total`.
    """

    name: str
    fingerprint: str
    kind: str
    file: str
    line: int
    faults: Mapping[str, int] | None
    fault_total: int


@dataclass(frozen=True)
class VotesManifest:
    """lfs.json: columns of the label matrix in order, and the parts that they voted on.

    `faults` are those kept of each part: at most FAULTS_KEPT of one LF on one part.
    """

    lfs: tuple[LFEntry, ...]
    parts: tuple[str, ...]
    cardinality: int
    faults: Mapping[str, tuple[Fault, ...]]

    @property
    def names(self) -> list[str]:
        """Names of the LFs, in the order of the matrix's columns."""
        return [lf.name for lf in self.lfs]

    @property
    def all_faults(self) -> tuple[Fault, ...]:
        """The kept faults of all parts, in the order of the rows' parts."""
        return tuple(fault for part in self.parts for fault in self.faults.get(part, ()))

    def entry(self, fingerprint: str) -> LFEntry | None:
        """The LF of that fingerprint, if it voted."""
        return next((lf for lf in self.lfs if lf.fingerprint == fingerprint), None)

    def only_parts(self, parts: Collection[str]) -> VotesManifest:
        """The same of these parts alone."""
        lfs = []
        for lf in self.lfs:
            if lf.faults is not None:
                faults = {part: n for part, n in lf.faults.items() if part in parts}
                lf = replace(lf, faults=faults, fault_total=sum(faults.values()))
            lfs.append(lf)
        names = tuple(part for part in self.parts if part in parts)
        faults_kept = {part: errors for part, errors in self.faults.items() if part in parts}
        return replace(self, lfs=tuple(lfs), parts=names, faults=faults_kept)

    def to_json(self) -> str:
        """Write as canonical JSON."""
        return to_canonical_json({"format": VOTES_FORMAT, **asdict(self)})

    @classmethod
    def from_json(cls, text: str | bytes) -> VotesManifest:
        """Read what `to_json` wrote, in this format or an earlier one."""
        raw = _read(text, "lfs.json", formats=(1, VOTES_FORMAT))
        if isinstance(raw["faults"], list):
            raw = _from_format_1(raw)
        return cls(
            lfs=tuple(LFEntry(**entry) for entry in raw["lfs"]),
            parts=tuple(raw["parts"]),
            cardinality=raw["cardinality"],
            faults={
                part: tuple(Fault(**fault) for fault in faults)
                for part, faults in raw["faults"].items()
            },
        )


@dataclass(frozen=True)
class ChosenBy:
    """Labeled rows that model, class balance and temperature were chosen by, and what for.

    `source` is gold or audit. These rows (`keys`) measure nothing any more. `right` is how often
    labels of rows were right that had no part in the choice, `default_right` those of the default.
    """

    source: str
    keys: tuple[Key, ...]
    temperature: float
    right: float
    default_right: float


@dataclass(frozen=True)
class ModelManifest:
    """label_model.json: what was learned, from which votes (object id of lfs.json).

    `end_model` had its part in the labels unless it is "none"; `shares` is how much a vote of
    each LF counted, below 1 in the groups of `correlated` LFs (names); `pair_counts` is the
    object id of what a model of pairs learned from; `options` are those that were given to the
    label model (Snorkel's `lr`, `n_epochs`, `l2`), where it was not fitted with its defaults.
    `even_end`: the end model's opinion is taken without the sizes of classes that it learned.
    `chosen_by`, where given: the label model was fitted under uniform classes, and the class
    balance and a temperature were put to what it says. `vectors`, where given, is the space of the
    vectors that the end model looked at, beside `features`.
    """

    model: str
    votes: str
    seed: int
    cardinality: int
    class_balance: tuple[float, ...]
    balance_from: str
    weights: tuple[float | None, ...]
    arrays: Mapping[str, Sequence[object]]
    end_model: str
    shares: tuple[float, ...] = ()
    correlated: tuple[tuple[str, ...], ...] = ()
    pair_counts: str | None = None
    features: tuple[str, ...] = ()  # columns that the end model looked at
    options: Mapping[str, float] = field(default_factory=dict)
    even_end: bool = False
    chosen_by: ChosenBy | None = None
    vectors: str = ""

    @property
    def name(self) -> str:
        """The models that made the labels: `snorkel`, or `dawid-skene*sklearn`."""
        return self.model if self.end_model == "none" else f"{self.model}*{self.end_model}"

    def to_json(self) -> str:
        """Write as canonical JSON."""
        raw = asdict(self)
        number = CHOSEN_FORMAT if self.chosen_by else MANIFEST_FORMAT
        number = VECTORS_FORMAT if self.vectors else number
        for name in ("chosen_by", "vectors"):
            if not raw[name]:  # as an earlier datahub reads and writes it
                del raw[name]
        raw["format"] = number
        return to_canonical_json(raw)

    @classmethod
    def from_json(cls, text: str | bytes) -> ModelManifest:
        """Read what `to_json` wrote."""
        first = json.loads(text).get("format") == 1
        formats = (1, 2, MANIFEST_FORMAT, CHOSEN_FORMAT, VECTORS_FORMAT)
        raw = _read(text, "label_model.json", formats=formats)
        raw |= {"end_model": "none"} if first else {}
        lists = {name: tuple(raw.get(name, ())) for name in TUPLES}
        groups = tuple(map(tuple, raw.get("correlated", ())))
        if raw.get("chosen_by"):
            keys = tuple(raw["chosen_by"]["keys"])
            raw["chosen_by"] = ChosenBy(**{**raw["chosen_by"], "keys": keys})
        return cls(**{**raw, **lists, "correlated": groups})


def _from_format_1(raw: dict[str, Any]) -> dict[str, Any]:
    lfs = [
        {**lf, "faults": {} if lf["faults"] == 0 else None, "fault_total": lf["faults"]}
        for lf in raw["lfs"]
    ]
    return {**raw, "lfs": lfs, "faults": {raw["parts"][0]: raw["faults"]} if raw["faults"] else {}}


def _read(text: str | bytes, name: str, *, formats: Collection[int]) -> dict[str, Any]:
    raw: dict[str, Any] = json.loads(text)
    if raw.pop("format", None) not in formats:
        raise InputError(
            f"{name} has a format version that this datahub does not know.",
            hint="Upgrade datahub, or run `datahub lf run` again.",
        )
    return raw
