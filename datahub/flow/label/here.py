"""LFs that lie in no file, such as those of a notebook: they run in this process, and on a sample.

Nothing of theirs is kept: a commit says which code voted, and theirs has no place to stand in.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from types import TracebackType
from typing import Any, Self

import polars as pl

from datahub.core.batch import BatchLF
from datahub.core.declarative_lf import DeclarativeLF
from datahub.core.errors import InputError
from datahub.core.labeling import LabelingFunction, LFOutput, apply
from datahub.ports import FoundLF, LeftOut

_NO_FILE = "0" * 64  # the fingerprint of what is never kept


class LFsHere:
    """LFWorkers of this process. Raises InputError: what is no LF, or two of one name."""

    left_out: tuple[LeftOut, ...] = ()
    slices: list[FoundLF] = []  # noqa: RUF012  none, ever

    def __init__(self, lfs: Sequence[LabelingFunction]) -> None:
        self._by_name: dict[str, LabelingFunction] = {}
        for lf in lfs:
            name = _checked_name(lf)
            if self._by_name.setdefault(name, lf) is not lf:
                raise InputError(f"Two LFs are named {name!r}.", hint="Rename one of them.")
        if not self._by_name:
            raise InputError("There is no LF to try.", hint="Give a list: hub.lf_try([lf]).")
        self.lfs = [_describe(lf) for lf in self._by_name.values()]

    def __enter__(self) -> Self:
        """Nothing starts."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Nothing ends."""

    def apply(
        self,
        work: Iterable[tuple[pl.DataFrame, Sequence[FoundLF]]],
        *,
        key: str,
        cardinality: int,
        classes: Sequence[str] = (),
    ) -> Iterator[LFOutput]:
        """Apply LFs to frames, in order. Raises LabelingFunctionError."""
        for frame, faults in work:
            lfs = [_for_classes(self._by_name[lf.name], classes) for lf in faults]
            yield apply(frame, lfs, key=key, cardinality=cardinality, classes=classes)


def _for_classes(lf: LabelingFunction, classes: Sequence[str]) -> LabelingFunction:
    return lf.for_classes(classes) if isinstance(lf, DeclarativeLF | BatchLF) else lf


def _checked_name(lf: Any) -> str:
    name = getattr(lf, "name", None)
    packages = {kind.__module__.partition(".labeling")[0] for kind in type(lf).__mro__}
    of_snorkel = "snorkel" in packages and not any(
        kind.__name__.endswith("SlicingFunction") for kind in type(lf).__mro__
    )
    ours = isinstance(lf, DeclarativeLF | BatchLF)
    if not (ours or of_snorkel) or not isinstance(name, str) or not name:
        raise InputError(
            f"This is no labeling function: {type(lf).__name__}.",
            hint="Make it by keywords(), regex(), ..., or by Snorkel's @labeling_function().",
        )
    return name


def _describe(lf: LabelingFunction) -> FoundLF:
    return FoundLF(
        lf.name,
        _NO_FILE,
        file="",
        line=1,
        kind=lf.kind if isinstance(lf, DeclarativeLF | BatchLF) else "snorkel",
        safe=False,
        label=lf.label if isinstance(lf, DeclarativeLF) else None,
        class_names=lf.class_names if isinstance(lf, DeclarativeLF | BatchLF) else None,
    )
