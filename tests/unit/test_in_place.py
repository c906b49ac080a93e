"""Files that become parts of a dataset where they lie: what is taken, and what is refused."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datahub.adapters.versions_embedded import EmbeddedVersionStore
from datahub.core.errors import InputError, SourceError, StorageError
from datahub.flow.dataset import parts
from datahub.flow.dataset.tables import dataset_at
from datahub.flow.rows import in_place
from datahub.flow.rows.source import Import, ImportReport, Mode, import_rows
from datahub.flow.steps import Step
from datahub.hub.registry import adapter
from datahub.machine.bytes.files import ObjectFiles
from datahub.ports import Rows
from tests.whole_tables import read_table

TIME = datetime(2026, 1, 1, tzinfo=UTC)
ROWS: Rows = adapter("rows", "polars")()


@pytest.fixture(autouse=True, scope="module")
def _small() -> Iterator[None]:
    """Parts that are written have about eight rows; files may have a hundred."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(parts, "ROWS_PER_PART", 8)
        patch.setattr(in_place, "MOST_ROWS", 100)
        yield


@pytest.fixture
def store(tmp_path: Path) -> EmbeddedVersionStore:
    return EmbeddedVersionStore.create(
        ObjectFiles(tmp_path / ".datahub"), branch="main", author="ann", time=TIME
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two files of a table, sorted by key: 0..29 in Parquet, 30..49 in ORC."""
    made = tmp_path / "mine"
    made.mkdir()
    ROWS.write(mail(range(30)), made / "a.parquet")
    ROWS.write(mail(range(30, 50)), made / "b.orc")
    return made


def mail(keys: Any, text: str = "hello") -> pl.DataFrame:
    numbers = pl.Series("id", list(keys), dtype=pl.Int64)
    return pl.DataFrame(
        {
            "id": numbers,
            "text": [f"{text} {n}" if n is not None and n % 5 else None for n in numbers],
        },
        schema_overrides={"text": pl.String},
    )


def taken(
    store: EmbeddedVersionStore,
    path: Path,
    *,
    mode: Mode = "replace",
    key: str | None = "id",
    gold: str | None = None,
    hard_link: bool = True,
    progress: Any = lambda *_: None,
) -> ImportReport:
    return in_place.import_in_place(
        path,
        Import.begin(
            store,
            ROWS,
            Step("main", "ann", TIME, f"step{mode}", progress),
            "mail",
            key=key,
            gold=gold,
            classes=["ham", "spam"],
            text=None,
            mode=mode,
        ),
        hard_link=hard_link,
    )


def copied(store: EmbeddedVersionStore, path: Path, mode: Mode) -> ImportReport:
    return import_rows(
        path,
        Import.begin(
            store,
            ROWS,
            Step("main", "ann", TIME, "copied"),
            "mail",
            key="id",
            gold=None,
            classes=["ham", "spam"],
            text=None,
            mode=mode,
        ),
    )


def rows_of(store: EmbeddedVersionStore) -> pl.DataFrame:
    return read_table(store, ROWS, "main", "mail", "rows", made_by="import")


def is_untouched(folder: Path, store: EmbeddedVersionStore) -> bool:
    """No commit, nothing staged, and the user's files as writable as they were."""
    writable = all(path.stat().st_mode & 0o200 for path in folder.iterdir())
    return writable and len(store.log("main")) == 1 and not staged(store)


def clones(store: EmbeddedVersionStore, folder: Path) -> bool:
    """Whether the file system lets two files share their bytes."""
    try:
        store.share(next(folder.iterdir()), hard_link=False).unlink()
    except InputError:
        return False
    return True


@pytest.fixture
def linking(store: EmbeddedVersionStore, folder: Path) -> Path:
    """The two files, where they can only be linked."""
    if clones(store, folder):
        pytest.skip("this file system clones files: none is linked")
    return folder


def staged(store: EmbeddedVersionStore) -> list[Path]:
    return list(store.stage("").parent.iterdir())


def test_files_become_parts_and_no_byte_is_copied(
    store: EmbeddedVersionStore, folder: Path
) -> None:
    """Each file is a part, under the id of its bytes; rows read as they were."""
    made = taken(store, folder).dataset

    assert [(part.rows, part.first_key, part.last_key) for part in made.parts] == [
        (30, 0, 29),
        (20, 30, 49),
    ]
    assert made.parts[0].nulls == {"text": 6}
    assert rows_of(store).equals(mail(range(50)))
    first = store.fetch(made.parts[0].sha256)
    assert first.read_bytes() == (folder / "a.parquet").read_bytes()
    assert first.samefile(folder / "a.parquet") != clones(store, folder)


def test_without_clones_nothing_is_linked_unasked(
    store: EmbeddedVersionStore, folder: Path
) -> None:
    """The hint names both ways out; where the file system clones, later changes are not seen."""
    if clones(store, folder):
        taken(store, folder, hard_link=False)
        (folder / "a.parquet").write_bytes(b"other")
        assert rows_of(store).height == 50
        return

    with pytest.raises(InputError, match="cannot be cloned") as raised:
        taken(store, folder, hard_link=False)

    assert "--hard-link" in raised.value.hint
    assert "without --in-place" in raised.value.hint
    assert is_untouched(folder, store)


def test_a_linked_file_cannot_be_written_by_accident(
    store: EmbeddedVersionStore, linking: Path
) -> None:
    """Its mode says so; to delete it or to put another in its place harms nothing."""
    taken(store, linking)
    before = rows_of(store)

    assert not (linking / "a.parquet").stat().st_mode & 0o222
    (linking / "b.orc").unlink()
    other = linking / "other"
    other.write_bytes(b"other")
    other.replace(linking / "a.parquet")

    assert rows_of(store).equals(before)
    assert store.check() == []


def test_a_linked_file_that_was_changed_all_the_same_is_found(
    store: EmbeddedVersionStore, linking: Path
) -> None:
    """On reading and by fsck, with what happened; the file as it was repairs it."""
    part = taken(store, linking).dataset.parts[0]
    path = linking / "a.parquet"
    good = path.read_bytes()
    path.chmod(0o644)
    path.write_bytes(good[:-50] + bytes(50))

    with pytest.raises(StorageError, match="second name") as raised:
        rows_of(store)

    assert "repairs" in raised.value.hint
    assert [damage.id for damage in store.check()] == [part.sha256]
    (linking / "copy").write_bytes(good)
    store.put(linking / "copy")
    assert store.check() == []
    assert rows_of(store).height == 50


def test_a_file_that_changes_while_it_is_taken_is_refused(
    store: EmbeddedVersionStore, linking: Path
) -> None:
    """Nothing is committed, and the file stays the user's to write."""

    def meddle(*_: Any) -> None:  # when the first file was read
        with (linking / "a.parquet").open("ab") as file:
            file.write(b"more")

    with pytest.raises(InputError, match="changed while it was"):
        taken(store, linking, progress=meddle)

    assert (linking / "a.parquet").stat().st_mode & 0o200
    assert len(store.log("main")) == 1
    assert staged(store) == []


KILLED = """
import os, signal, sys
from pathlib import Path
from datahub.adapters.versions_embedded import EmbeddedVersionStore
from datahub.machine.bytes.files import ObjectFiles
from tests.unit.test_in_place import taken

def die(*_, **__):
    os.kill(os.getpid(), signal.SIGKILL)

store = EmbeddedVersionStore(ObjectFiles(Path(sys.argv[1])))
if sys.argv[3] == "stored":
    store.commit = die
taken(store, Path(sys.argv[2]), progress=die if sys.argv[3] == "read" else lambda *_: None)
"""


@pytest.mark.parametrize("moment", ["read", "stored"])
def test_a_killed_import_in_place_leaves_nothing_in_the_way(
    store: EmbeddedVersionStore, folder: Path, tmp_path: Path, moment: str
) -> None:
    """Before the files are stored, or after and before the commit."""
    words = [sys.executable, "-c", KILLED, str(tmp_path / ".datahub"), str(folder), moment]

    killed = subprocess.run(words, cwd=Path(__file__).parents[2], check=False)

    assert killed.returncode == -signal.SIGKILL
    after = EmbeddedVersionStore(ObjectFiles(tmp_path / ".datahub"))
    assert len(after.log("main")) == 1
    assert staged(after) == []
    taken(after, folder)
    assert rows_of(after).equals(mail(range(50)))
    assert after.check() == []


def test_gc_keeps_a_linked_object_whose_file_is_old(
    store: EmbeddedVersionStore, folder: Path
) -> None:
    """It was stored now, whatever its file's time says; and gc takes no file of the user's."""
    path = folder / "a.parquet"
    os.utime(path, (1, 1))
    oid = store.put(store.share(path, hard_link=True))

    store.collect(before=datetime.now(UTC) - timedelta(hours=1), dry_run=False)
    assert store.fetch(oid).is_file()
    store.collect(before=datetime.now(UTC) + timedelta(hours=1), dry_run=False)

    assert path.is_file()


def test_new_files_are_appended_beside_what_is_there(
    store: EmbeddedVersionStore, folder: Path, tmp_path: Path
) -> None:
    """Parts stay in order of their keys, and those that were there stay as they were."""
    ROWS.write(mail(range(100, 140)), tmp_path / "first.parquet")
    copied(store, tmp_path / "first.parquet", "replace")
    before = dataset_at(store, "main", "mail").parts

    made = taken(store, folder, mode="append").dataset

    assert made.parts[2:] == before
    assert rows_of(store)["id"].to_list() == [*range(50), *range(100, 140)]


def test_the_same_files_again_make_no_commit(store: EmbeddedVersionStore, folder: Path) -> None:
    """They are there already."""
    first = taken(store, folder)

    assert taken(store, folder).commit == first.commit


@pytest.mark.slow
@settings(max_examples=15, deadline=None)
@given(st.dictionaries(st.integers(-5, 60), st.sampled_from("xyz"), min_size=1, max_size=12))
def test_rows_can_be_changed_in_a_dataset_of_files(
    tmp_path_factory: pytest.TempPathFactory, changed: dict[int, str]
) -> None:
    """The parts they fall into are rewritten; files that hold none of them stay parts."""
    tmp = tmp_path_factory.mktemp("project")
    store = EmbeddedVersionStore.create(
        ObjectFiles(tmp / ".datahub"), branch="main", author="a", time=TIME
    )
    (tmp / "mine").mkdir()
    for start in (0, 20, 40):
        ROWS.write(mail(range(start, start + 20)), tmp / "mine" / f"{start:02}.parquet")
    before = taken(store, tmp / "mine").dataset.parts
    new = pl.DataFrame({"id": list(changed), "text": list(changed.values())})
    ROWS.write(new, tmp / "new.parquet")

    after = copied(store, tmp / "new.parquet", "upsert").dataset.parts

    kept = mail(range(60)).filter(~pl.col("id").is_in(list(changed)))
    assert rows_of(store).equals(pl.concat([kept, new]).sort("id"))
    places = {min(max(key, 0) // 20, 2) for key in changed}
    stayed = [part for number, part in enumerate(before) if number not in places]
    assert [part for part in after if part in before] == stayed


HOSTILE: dict[str, tuple[pl.DataFrame, str]] = {
    "unsorted": (mail([1, 3, 2]), "Row 3 of .* not greater than the one before"),
    "twice": (mail([1, 2, 2]), "Row 3 of .* not greater"),
    "no key": (mail([1, None, 3]), "Row 2 of .* has no 'id'"),
    "too long": (mail(range(101)), "more than 100 rows"),
    "no rows": (mail([]), "holds no rows"),
    "kind": (mail([1]).with_columns(pl.lit("a").cast(pl.Categorical)), "'literal' is Categorical"),
    "key of another kind": (mail([1]).with_columns(id=1.5), "a key is text or whole numbers"),
}


@pytest.mark.parametrize("what", HOSTILE)
def test_files_that_are_not_laid_out_as_parts_are_refused(
    store: EmbeddedVersionStore, tmp_path: Path, what: str
) -> None:
    """With the file, the row and what would take it; nothing has changed."""
    frame, says = HOSTILE[what]
    (tmp_path / "mine").mkdir()
    frame.write_parquet(tmp_path / "mine" / "rows.parquet")

    with pytest.raises((InputError, SourceError), match=says) as raised:
        taken(store, tmp_path / "mine")

    assert raised.value.hint
    assert is_untouched(tmp_path / "mine", store)


def test_files_of_one_range_of_keys_are_refused(store: EmbeddedVersionStore, folder: Path) -> None:
    """Both are named."""
    ROWS.write(mail([10, 60]), folder / "c.parquet")

    with pytest.raises(InputError, match=r"a\.parquet and .*c\.parquet hold keys of one range"):
        taken(store, folder)

    assert is_untouched(folder, store)


def test_a_damaged_file_is_named_as_the_user_names_it(
    store: EmbeddedVersionStore, folder: Path
) -> None:
    """A page in its middle, which no footer tells of."""
    path = folder / "a.parquet"
    content = bytearray(path.read_bytes())
    content[20:120] = bytes(100)
    path.write_bytes(content)

    with pytest.raises(SourceError, match=r"a\.parquet cannot be read"):
        taken(store, folder)

    assert is_untouched(folder, store)


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        ({"key": None}, "need a column with a key"),
        ({"gold": "text"}, "Gold is kept apart"),
        ({"mode": "upsert"}, "cannot stay in their files"),
    ],
)
def test_what_cannot_be_had_in_place_is_said(
    store: EmbeddedVersionStore, folder: Path, asked: dict[str, Any], says: str
) -> None:
    """And what can instead."""
    with pytest.raises(InputError, match=says) as raised:
        taken(store, folder, **asked)

    assert "in-place" in raised.value.hint
    assert is_untouched(folder, store)


def test_csv_is_not_taken_in_place(store: EmbeddedVersionStore, tmp_path: Path) -> None:
    """It holds no types."""
    (tmp_path / "mine").mkdir()
    mail([1]).write_csv(tmp_path / "mine" / "rows.csv")

    with pytest.raises(InputError, match="CSV, which holds no types"):
        taken(store, tmp_path / "mine")


def test_a_file_on_another_file_system_is_told(store: EmbeddedVersionStore, folder: Path) -> None:
    """Its bytes cannot be shared."""
    there = Path("/dev/shm")
    if not there.is_dir() or there.stat().st_dev == folder.stat().st_dev:
        pytest.skip("no second file system to put a file on")
    path = there / f"datahub-{os.getpid()}.parquet"
    try:
        ROWS.write(mail([1]), path)

        with pytest.raises(InputError, match="another file system") as raised:
            taken(store, path)

        assert "without --in-place" in raised.value.hint
    finally:
        path.unlink()
