"""A disk without a byte left: all can be read, and what is not needed can be let go.

Commands are processes of their own: what one of them leaves open would help the next.
"""

from __future__ import annotations

import datetime as dt
import gc
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from datahub import Hub
from datahub.adapters.versions_embedded import EmbeddedVersionStore as Store
from datahub.machine.bytes.files import ObjectFiles
from datahub.machine.disk import SPARE, keep_spare, using_spare
from tests.integration.conftest import LFS, Datahub, Ran, mail
from tests.integration.disks import disk_of, fill, free
from tests.integration.test_commit_crash import (
    assert_whole,
    folder,
    limited,
    pattern,
    run_until,
    told_in_a_child,
)

pytestmark = pytest.mark.slow

__all__ = ["folder", "pattern"]  # fixtures

FUTURE = dt.datetime(2100, 1, 1, tzinfo=dt.UTC)
BIG = 3_000_000


@pytest.fixture(scope="module")
def labeled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with labels and questions, a branch `old` with a large file, and a tag on main."""
    root = tmp_path_factory.mktemp("labeled") / "project"
    hub, _ = Hub.init(root, dataset="mail")
    (root / "labeling_functions" / "first.py").write_text(LFS)
    mail().write_parquet(root / "mail.parquet")
    hub.import_rows(root / "mail.parquet", key="id", gold="kind")
    hub.lf_run()
    hub.label_fit()
    hub.review_push()
    hub.create_branch("old")
    (root / "large.bin").write_bytes(bytes(BIG))
    Hub.open(root, branch="old").commit(["large.bin"], message="Something large")
    (root / "large.bin").unlink()
    hub.store.create_tag("v1", at="main")
    del hub
    gc.collect()  # it has files of the project open, as no command has that has ended
    return root


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    with disk_of("32m", tmp_path / "disk") as place:
        yield place


@pytest.fixture
def project(labeled: Path, disk: Path) -> Path:
    """The same on a disk that is then full."""
    root = Path(shutil.copytree(labeled, disk / "project"))
    fill(disk)
    assert free(disk) == 0
    return root


def run(project: Path, *words: str, before: Callable[[], None] | None = None) -> Ran:
    ran = subprocess.run(
        [sys.executable, "-m", "datahub.cli.app", *words],
        cwd=project,
        preexec_fn=before,
        capture_output=True,
        text=True,
        check=False,
    )
    return Ran(ran.returncode, ran.stdout, ran.stderr)


def done(project: Path, *words: str) -> Ran:
    ran = run(project, *words)
    assert ran.code == 0, (words, ran.err)
    return ran


IMPORT = "import mail.parquet --dataset other --key id"
READS = ("status", "log --graph", "diff main old", "fsck", "why 1", "gc --dry-run")


@pytest.fixture
def here(datahub: Datahub, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Ran]:
    """A command in this process, which then has no file open: the disk can be taken away."""

    def run_here(project: Path, *words: str) -> Ran:
        monkeypatch.chdir(project)
        ran = datahub(*words)
        monkeypatch.chdir("/")
        gc.collect()
        return ran

    return run_here


def test_all_that_only_reads_reads_on(project: Path, here: Callable[..., Ran]) -> None:
    """With the same words as on a disk with room."""
    told = {words: here(project, *words.split()) for words in READS}

    (project.parent / "filler").unlink()
    assert [ran.code for ran in told.values()] == [0] * len(READS)
    assert {words: ran.out for words, ran in told.items()} == {
        words: here(project, *words.split()).out for words in READS
    }


def test_a_branch_is_let_go_and_gc_makes_room(project: Path, here: Callable[..., Ran]) -> None:
    """As a person would: look, leave the branch, delete it, collect."""
    for words in ("switch old", "switch main", "tag delete v1"):
        assert here(project, *words.split()).code == 0
    done(project, "branch", "delete", "old", "--force")
    kept = here(project, "gc")
    assert "--keep-days" in kept.err

    taken = done(project, "gc", "--keep-days", "0", "--json").json

    assert (taken["objects"], taken["bytes"], taken["commits"]) == (1, BIG, 1)
    assert free(project.parent) > BIG - 100_000
    assert here(project, "branch", "list").out.split()[:2] == ["*", "main"]
    assert here(project, "fsck").code == 0
    assert here(project, "tag", "create", "v2").code == 0


def test_gc_makes_room_where_none_was_kept(
    labeled: Path, disk: Path, here: Callable[..., Ran]
) -> None:
    """As in a project of an earlier datahub. What a name reaches stays."""
    root = Path(shutil.copytree(labeled, disk / "project"))
    assert here(root, "branch", "delete", "old", "--force").code == 0
    held = json.loads(here(root, "show", "main", "--json").out)
    (root / ".datahub" / "spare").unlink()
    fill(disk)

    refused = here(root, "tag", "delete", "v1")
    taken = here(root, "gc", "--keep-days", "0", "--json").json

    assert refused.code == 7
    assert "`datahub gc`" in refused.err
    assert (taken["objects"], taken["commits"]) == (1, 1)
    assert json.loads(here(root, "show", "main", "--json").out) == held
    assert here(root, "fsck").code == 0
    assert here(root, "tag", "delete", "v1").code == 0


def test_what_needs_room_says_how_to_get_some(project: Path, here: Callable[..., Ran]) -> None:
    for words in ("tag create v2", "branch create new", "commit datahub.toml -m m", IMPORT):
        refused = here(project, *words.split())

        assert refused.code == 7, (words, refused.err)
        assert re.search("hint: .*(Free some space|`datahub gc` frees)", refused.err)


# Without a disk of its own: no file can grow, as for a user at the limit


@pytest.mark.parametrize("words", ["status", "diff main old", "fsck"])
def test_a_user_at_the_limit_can_look_around(
    labeled: Path, tmp_path: Path, here: Callable[..., Ran], words: str
) -> None:
    root = Path(shutil.copytree(labeled, tmp_path / "project"))

    ran = run(root, *words.split(), before=limited(0, lambda: None))

    assert ran.code == 0, ran.err
    assert ran.out == here(root, *words.split()).out


def doomed(folder: Path) -> Store:
    """A store with a branch that is gone, and an object that only it had."""
    store = Store(ObjectFiles(folder))
    store.create_branch("old", at="work")
    oid = store.put(bytes(50_000))
    store.commit(
        "old",
        {"large": oid},
        message="m",
        author="a",
        time=FUTURE,
        expected=store.branches()["work"],
    )
    store.delete_branch("old")
    return store


def test_gc_that_cannot_write_frees_objects_and_says_what_is_left(folder: Path) -> None:
    heads = doomed(folder).branches()

    error = told_in_a_child(
        limited(0, lambda: Store(ObjectFiles(folder)).collect(before=FUTURE, dry_run=False))
    )

    assert error is not None
    assert "1 objects were removed" in error.message
    assert assert_whole(folder) == heads
    rest = Store(ObjectFiles(folder)).collect(before=FUTURE, dry_run=False)
    assert (rest.objects, rest.commits) == (0, 1)
    assert Store(ObjectFiles(folder)).check() == []


def test_a_store_is_read_where_nothing_can_be_written(folder: Path) -> None:
    heads = Store(ObjectFiles(folder)).branches()

    def read() -> None:
        store = Store(ObjectFiles(folder))
        assert store.branches() == heads
        assert store.log("work")
        assert store.check() == []
        assert store.collect(before=FUTURE, dry_run=True).objects == 0

    assert told_in_a_child(limited(0, read)) is None


def test_a_kill_while_garbage_is_collected_loses_nothing(folder: Path, tmp_path: Path) -> None:
    """At any step: names and what they reach stay, and the next collection takes the rest."""
    doomed(folder)
    heads = Store(ObjectFiles(folder)).branches()

    def collect(folder: Path) -> None:
        Store(ObjectFiles(folder)).collect(before=FUTURE, dry_run=False)

    exitcode, step = None, 0
    while exitcode != 0:
        place = Path(shutil.copytree(folder, tmp_path / str(step) / ".datahub"))
        exitcode = run_until(step, collect, place)

        assert assert_whole(place) == heads
        store = Store(ObjectFiles(place))
        assert store.check() == []
        store.collect(before=FUTURE, dry_run=False)
        assert store.collect(before=FUTURE, dry_run=False).commits == 0
        assert (place / "spare").stat().st_size == SPARE
        step += 1
    assert step > 10


# The room that is kept


@pytest.mark.parametrize("within", [lambda: None, lambda: 1 / 0])
def test_room_that_was_used_is_kept_again(tmp_path: Path, within: Callable[[], object]) -> None:
    keep_spare(tmp_path)
    spare = tmp_path / "spare"
    assert spare.stat().st_blocks * 512 >= SPARE

    try:
        with using_spare(tmp_path):
            assert not spare.exists()
            within()
    except ZeroDivisionError:
        pass

    assert spare.stat().st_size == SPARE


def test_what_is_left_of_the_room_is_kept(disk: Path) -> None:
    """Half of it was needed: the next still finds some."""
    keep_spare(disk)
    fill(disk)
    with using_spare(disk):
        (disk / "needed").write_bytes(bytes(SPARE // 2 + 4096))

    keep_spare(disk)
    assert 0 < (disk / "spare").stat().st_size < SPARE
    assert free(disk) < SPARE // 2

    (disk / "filler").unlink()
    keep_spare(disk)
    assert (disk / "spare").stat().st_size == SPARE


def test_no_room_is_kept_on_a_disk_that_is_nearly_full(tmp_path: Path) -> None:
    with disk_of("8m", tmp_path / "disk") as disk:
        keep_spare(disk)

        assert list(disk.iterdir()) == []


def test_no_room_is_kept_where_no_file_can_grow(tmp_path: Path) -> None:
    assert told_in_a_child(limited(0, lambda: keep_spare(tmp_path))) is None

    assert list(tmp_path.iterdir()) == []
