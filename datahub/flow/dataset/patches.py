"""Patches of the final labels: lines that go before those of the parts they were made for.

A patch is one table of whole lines of labels with the part of the rows that each is of. It
counts only while the dataset has that very part: labels rewritten for changed rows are
under no patch. Where two patches have a line for a row, that of the later path counts.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import polars as pl

from datahub.core.dataset import Part
from datahub.ports import Rows

OF_PART = "_part"  # the column of a patch that names the part of the rows


class Patches:
    """The lines that count of all patches of a commit."""

    def __init__(self, lines: pl.DataFrame | None, key: str) -> None:
        self._key = key
        self.lines = lines
        self._of: dict[str, pl.DataFrame] = {}
        if lines is not None:
            self._of = {
                str(part): frame
                for (part,), frame in lines.partition_by(OF_PART, as_dict=True).items()
            }

    @classmethod
    def read(cls, rows: Rows, files: Sequence[Path], key: str) -> Patches:
        """The patches in these files, in their order."""
        return cls(newest(list(rows.batches(files)), key) if files else None, key)

    def touch(self, part: Part) -> bool:
        """Whether any line is of this part."""
        return part.sha256 in self._of

    def of(self, part: Part) -> pl.DataFrame:
        """The lines of a part that has some."""
        return self._of[part.sha256].drop(OF_PART)

    def count(self, part: Part) -> int:
        """How many lines are of this part."""
        return self._of[part.sha256].height if self.touch(part) else 0

    def over(self, part: Part, frame: pl.DataFrame) -> pl.DataFrame:
        """The part's lines with the patches' in their places; `frame` may be of some columns.

        It must have the key among them.
        """
        if not self.touch(part):
            return frame
        lines = self._of[part.sha256].select(frame.columns)
        rest = frame.join(lines, on=self._key, how="anti", maintain_order="left")
        return pl.concat([rest, lines]).sort(self._key)

    def over_lazily(self, part: Part, frame: pl.LazyFrame) -> pl.LazyFrame:
        """The same of a frame of all columns that is not computed yet."""
        if not self.touch(part):
            return frame
        lines = self.of(part).lazy()
        rest = frame.join(lines, on=self._key, how="anti")
        return pl.concat([rest, lines]).sort(self._key)


def newest(frames: Sequence[pl.DataFrame], key: str) -> pl.DataFrame:
    """The last line of each row of each part, by part and key."""
    lines = pl.concat(list(frames)).unique([OF_PART, key], keep="last", maintain_order=True)
    return lines.sort(OF_PART, key)
