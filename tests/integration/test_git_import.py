"""A git repository as it may come: by git-lfs, altered, cut short, by a process that is killed."""

from __future__ import annotations

import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from datahub import Hub
from datahub.core.errors import Conflict, DatahubError, InputError
from tests.integration.test_git_export import git

ME = ("-c", "user.name=x", "-c", "user.email=x@x", "-c", "protocol.file.allow=always")
FILES = 300


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with a few commits, two branches and a tag, and its export beside it."""
    place = tmp_path_factory.mktemp("whole")
    hub, _ = Hub.init(place / "project", dataset="mail")
    notes = place / "project" / "notes"
    notes.mkdir()
    for i in range(FILES):
        (notes / f"{i}.md").write_text(f"note {i}\n" * 50)
    hub.commit([str(notes / f"{i}.md") for i in range(FILES)], message="notes")
    hub.create_branch("work", at="main")
    (notes / "0.md").write_text("another\n")
    Hub.open(place / "project", branch="work").commit([str(notes / "0.md")], message="another")
    hub.store.create_tag("v1", at="work")
    hub.git_export(place / "exported")
    return place


@pytest.fixture
def place(whole: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(whole, tmp_path / "place", symlinks=True))


def new(place: Path) -> Hub:
    hub, _ = Hub.init(place / "new", dataset="mail")
    return hub


def state(hub: Hub) -> object:
    return hub.store.branches(), hub.store.tags(), hub.store.log("main")


def taken_over(place: Path) -> bool:
    """Whether the new project is the old one, with nothing missing."""
    old, made = Hub.open(place / "project"), Hub.open(place / "new")
    return state(old) == state(made) and made.fsck() == []


def test_objects_are_found_where_git_lfs_keeps_them(place: Path) -> None:
    """In its own folder, two levels deep, of a clone or of a bare one."""
    git(place, "clone", "-q", "--mirror", "exported", "mirror.git")
    for folder in (place / "exported" / ".git", place / "mirror.git"):
        for path in (place / "project" / ".datahub" / "objects").glob("??/*"):
            oid = path.parent.name + path.name
            target = folder / "lfs" / "objects" / oid[:2] / oid[2:4] / oid
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)
        hub = new(place)

        hub.git_import(folder.parent if folder.name == ".git" else folder)

        assert taken_over(place)
        shutil.rmtree(place / "new")


def test_an_import_looks_at_the_named_folder_whatever_git_is_told(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in a hook, where GIT_DIR names another repository."""
    git(place, "init", "-q", "other")
    monkeypatch.setenv("GIT_DIR", str(place / "other" / ".git"))

    new(place).git_import(place / "exported", objects=place / "project" / ".datahub" / "objects")

    assert taken_over(place)


def committed(folder: Path) -> None:
    """Amend the checked-out commit under its own message, by another hand."""
    message = git(folder, "log", "-1", "--format=%B")
    git(folder, *ME, "commit", "-q", "--amend", "--cleanup=verbatim", "-m", message)


def link(folder: Path) -> None:
    (folder / "datahub.toml").unlink(missing_ok=True)
    (folder / "link").symlink_to("/etc/passwd")
    git(folder, "add", "-A")
    committed(folder)


def executable(folder: Path) -> None:
    (folder / "notes" / "1.md").chmod(0o755)
    git(folder, "add", "-A")
    committed(folder)


def submodule(folder: Path) -> None:
    head = git(folder, "rev-parse", "HEAD").strip()
    git(folder, "update-index", "--add", "--cacheinfo", f"160000,{head},sub")
    committed(folder)


def named(name: bytes) -> Callable[[Path], None]:
    def alter(folder: Path) -> None:
        blob = git(folder, "rev-parse", "HEAD:notes/1.md").strip().encode()
        subprocess.run(
            ["git", "update-index", "-z", "--index-info"],
            cwd=folder,
            input=b"100644 " + blob + b"\t" + name + b"\0",
            check=True,
        )
        committed(folder)

    return alter


def large(folder: Path) -> None:
    (folder / "notes" / "1.md").write_bytes(b"x" * 5_000_000)
    git(folder, "add", "-A")
    committed(folder)


def other_line_ends(folder: Path) -> None:
    path = folder / "notes" / "1.md"
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    git(folder, "add", "-A")
    committed(folder)


def shallow(folder: Path) -> None:
    git(folder, "checkout", "-q", "work")
    git(folder.parent, *ME, "clone", "-q", "--depth", "1", f"file://{folder}", "cut")
    shutil.rmtree(folder)
    (folder.parent / "cut").rename(folder)


def partial_clone(folder: Path) -> None:
    blob = git(folder, "rev-parse", "HEAD:notes/1.md").strip()
    (folder / ".git" / "objects" / blob[:2] / blob[2:]).unlink(missing_ok=True)
    for pack in (folder / ".git" / "objects" / "pack").glob("*.pack"):
        moved = folder.parent / pack.name
        pack.rename(moved)
        pack.with_suffix(".idx").unlink()
        with moved.open("rb") as content:
            subprocess.run(["git", "unpack-objects", "-q"], cwd=folder, stdin=content, check=True)
    (folder / ".git" / "objects" / blob[:2] / blob[2:]).unlink(missing_ok=True)


def empty(folder: Path) -> None:
    shutil.rmtree(folder)
    git(folder.parent, "init", "-q", folder.name)


def inside(folder: Path) -> None:
    """No repository, but within one."""
    shutil.rmtree(folder)
    folder.mkdir()
    git(folder.parent, "init", "-q", ".")


def foreign(folder: Path) -> None:
    git(folder, *ME, "commit", "-q", "--amend", "-m", "by hand\n\nDatahub: [1, 2]")


def bytes_as_message(folder: Path) -> None:
    tree = git(folder, "rev-parse", "HEAD^{tree}").strip()
    raw = f"tree {tree}\nauthor a <a> 0 +0000\ncommitter a <a> 0 +0000\n\n".encode()
    ran = subprocess.run(
        ["git", "hash-object", "-w", "-t", "commit", "--stdin", "--literally"],
        cwd=folder,
        input=raw + b"\xff\xfe\n\nDatahub: {}\n",
        capture_output=True,
        check=True,
    )
    git(folder, "update-ref", "refs/heads/work", ran.stdout.decode().strip())


def tag_of_a_file(folder: Path) -> None:
    git(folder, "tag", "v2", "HEAD:notes/1.md")


@pytest.mark.parametrize(
    ("alter", "says"),
    [
        (link, "'link' in commit"),
        (executable, "an executable"),
        (submodule, "a submodule"),
        (named(b"notes/\xff\xfe.md"), "not Unicode text"),
        (named(b"a/" * 200 + b"x"), "has too many folders"),
        (named(b"x" * 3000), "does not match its id"),
        (named(b"_datahub/verdict.json"), "does not match its id"),
        (large, "no pointer file"),
        (other_line_ends, "no pointer file"),
        (shallow, "shallow clone"),
        (partial_clone, "partial clone"),
        (empty, "has no branch"),
        (inside, "git cannot read"),
        (foreign, "not written by an export"),
        (bytes_as_message, "not written by an export"),
        (tag_of_a_file, "names no commit"),
        (shutil.rmtree, "not there"),
    ],
    ids=lambda value: getattr(value, "__name__", None) and value.__name__,
)
def test_what_no_export_wrote_is_refused_and_nothing_is_half_written(
    place: Path, alter: Callable[[Path], None], says: str
) -> None:
    git(place / "exported", "checkout", "-q", "work")
    alter(place / "exported")
    hub = new(place)
    before = state(hub)

    with pytest.raises(DatahubError) as told:
        hub.git_import(place / "exported", objects=place / "project" / ".datahub" / "objects")

    assert isinstance(told.value, InputError), told.value
    assert says in str(told.value)
    assert state(hub) == before
    assert Hub.open(place / "new").fsck() == []


def test_names_that_differ_in_case_alone_are_two(tmp_path: Path) -> None:
    hub, _ = Hub.init(tmp_path / "project", dataset="mail")
    for name in ("notes.md", "Notes.md"):
        (tmp_path / "project" / name).write_text(name)
    hub.commit(
        [str(tmp_path / "project" / name) for name in ("notes.md", "Notes.md")], message="two"
    )
    hub.git_export(tmp_path / "exported")

    new(tmp_path).git_import(
        tmp_path / "exported", objects=tmp_path / "project" / ".datahub" / "objects"
    )

    assert taken_over(tmp_path)


@pytest.mark.slow
def test_an_import_that_is_killed_is_finished_by_the_next(place: Path) -> None:
    """Whenever it was killed: the project is as new, or the old one, and always whole."""
    objects = place / "project" / ".datahub" / "objects"
    beginning = state(new(place))
    words = [sys.executable, "-m", "datahub.cli.app", "git", "import", str(place / "exported")]
    words += ["--objects", str(objects)]
    chance, done, killed = random.Random(0), False, 0
    for _ in range(4):
        process = subprocess.Popen(
            words, cwd=place / "new", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        _wait_for_an_object(place / "new", process)
        time.sleep(chance.random() * 0.2)
        process.kill()
        killed += process.wait() == -signal.SIGKILL

        hub = Hub.open(place / "new")
        assert hub.fsck() == []
        done = taken_over(place)
        assert done or state(hub) == beginning
        assert list((place / "new" / ".datahub" / "staging").iterdir()) == []

    assert killed
    if not done:
        Hub.open(place / "new").git_import(place / "exported", objects=objects)
    assert taken_over(place)
    with pytest.raises(Conflict):
        Hub.open(place / "new").git_import(place / "exported", objects=objects)


def _wait_for_an_object(project: Path, process: subprocess.Popen[bytes]) -> None:
    """Until the import has stored more than there was."""
    folder = project / ".datahub" / "objects"
    begun = _newest(folder)
    while process.poll() is None and _newest(folder) <= begun:
        time.sleep(0.01)


def _newest(folder: Path) -> float:
    return max((path.stat().st_mtime for path in folder.glob("??/*")), default=0.0)
