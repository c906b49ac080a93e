"""What the lakeFS store remembers on this machine."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from datahub.adapters.versions_lakefs.memory import Memory

FIRST, SECOND, THIRD = (sign * 64 for sign in "abc")


def test_two_who_note_heads_at_a_time_lose_neither(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second note is made while the first is half done: when it has read, before it writes."""
    other, read, touch = Memory(tmp_path), Path.read_text, Path.touch
    Memory(tmp_path).note_guarded("work/a", FIRST, after=THIRD)

    def meanwhile(*args: object) -> None:
        monkeypatch.undo()
        other.note_guarded("work/a", THIRD, after=FIRST)

    def slow_read(path: Path, *args: object) -> str:
        text = read(path)
        meanwhile()
        return text

    def slow_touch(path: Path) -> None:
        touch(path)
        meanwhile()

    monkeypatch.setattr(Path, "read_text", slow_read)
    monkeypatch.setattr(Path, "touch", slow_touch)
    Memory(tmp_path).note_guarded("work/a", SECOND, after=FIRST)

    assert sorted(other.stood("work/a")) == [SECOND, THIRD]


def test_heads_are_told_oldest_first_after_those_of_an_earlier_datahub(tmp_path: Path) -> None:
    (tmp_path / "stood").mkdir()
    (tmp_path / "stood" / "main").write_text(f"{THIRD}\nno head")
    memory = Memory(tmp_path)
    for age, head in enumerate((SECOND, FIRST)):
        memory.note_guarded("main", head, after="0" * 64)
        os.utime(tmp_path / "stood" / "main.heads" / head, ns=(age, age))

    assert memory.stood("main") == [THIRD, SECOND, FIRST]
    memory.note_guarded("main", SECOND, after=FIRST)
    assert memory.stood("main") == [THIRD, SECOND]
    assert memory.stood("other") == []
