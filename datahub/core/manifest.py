"""What the commit says of its votes and of its label model: both as canonical JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from datahub.core.dataset import to_canonical_json
from datahub.core.errors import InputError
from datahub.core.labeling import Fault

MANIFEST_FORMAT = 1


@dataclass(frozen=True)
class LFEntry:
    """One LF that voted: who it was, where it stood, and on how many rows it raised."""

    name: str
    fingerprint: str
    kind: str
    file: str
    line: int
    faults: int


@dataclass(frozen=True)
class VotesManifest:
    """lfs.json: columns of the label matrix in order, and the parts that they voted on."""

    lfs: tuple[LFEntry, ...]
    parts: tuple[str, ...]
    cardinality: int
    faults: tuple[Fault, ...] = ()

    @property
    def names(self) -> list[str]:
        """Names of the LFs, in the order of the matrix's columns."""
        return [lf.name for lf in self.lfs]

    def to_json(self) -> str:
        """Write as canonical JSON."""
        return to_canonical_json({"format": MANIFEST_FORMAT, **asdict(self)})

    @classmethod
    def from_json(cls, text: str | bytes) -> VotesManifest:
        """Read what `to_json` wrote."""
        raw = _read(text, "lfs.json")
        return cls(
            lfs=tuple(LFEntry(**entry) for entry in raw["lfs"]),
            parts=tuple(raw["parts"]),
            cardinality=raw["cardinality"],
            faults=tuple(Fault(**fault) for fault in raw["faults"]),
        )


@dataclass(frozen=True)
class ModelManifest:
    """label_model.json: what was learned, from which votes (object id of lfs.json)."""

    model: str
    votes: str
    seed: int
    cardinality: int
    class_balance: tuple[float, ...]
    balance_from: str
    weights: tuple[float | None, ...]
    arrays: Mapping[str, Sequence[object]]
    end_model: str

    def to_json(self) -> str:
        """Write as canonical JSON."""
        return to_canonical_json({"format": MANIFEST_FORMAT, **asdict(self)})

    @classmethod
    def from_json(cls, text: str | bytes) -> ModelManifest:
        """Read what `to_json` wrote."""
        raw = _read(text, "label_model.json")
        lists = {name: tuple(raw[name]) for name in ("class_balance", "weights")}
        return cls(**{**raw, **lists})


def _read(text: str | bytes, name: str) -> dict[str, Any]:
    raw: dict[str, Any] = json.loads(text)
    if raw.pop("format", None) != MANIFEST_FORMAT:
        raise InputError(
            f"{name} has a format version that this datahub does not know.",
            hint="Upgrade datahub, or run `datahub lf run` again.",
        )
    return raw
