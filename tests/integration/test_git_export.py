"""The history as a plain git repository, looked at with git itself."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from tests.integration.conftest import Datahub


def git(folder: Path, *words: str) -> str:
    ran = subprocess.run(["git", *words], cwd=folder, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


def test_git_reads_the_history_that_was_exported(datahub: Datahub, labeled: Path) -> None:
    """Commits with parents, authors, times and messages; branches, tags; pointers at every path."""
    assert datahub("tag", "create", "v1", "main").code == 0
    assert datahub("merge", "work", "--into", "main").code == 0
    folder = labeled / "exported"

    made = datahub("git", "export", str(folder), "--json")

    assert made.code == 0, made.err
    git(folder, "fsck", "--full", "--strict")
    ours = datahub("log", "main", "--json").json
    told = git(folder, "log", "main", "--format=%at%x00%s%x00%P%x00%b%x01").split("\x01")
    entries = [entry.strip("\n").split("\0") for entry in told if entry.strip()]
    assert len(entries) == len(ours)
    by_id = {commit["id"]: commit for commit in ours}
    seen = set()
    for _, subject, parents, body in entries:
        trailer = json.loads(body.rpartition("Datahub: ")[2])
        commit = by_id[trailer["commit"]]
        seen.add(commit["id"])
        assert subject == commit["message"].splitlines()[0]
        assert len(parents.split()) == len(commit["parents"])
        assert (trailer["author"], trailer["time"]) == (commit["author"], commit["time"])
    assert seen == by_id.keys()
    refs = git(folder, "for-each-ref", "--format=%(refname)").split()
    assert refs == ["refs/heads/main", "refs/heads/work", "refs/tags/v1"]
    for ref in ("main", "work", "v1"):
        held = datahub("show", ref, "--json").json["objects"]
        assert git(folder, "ls-tree", "-r", "--name-only", ref).splitlines() == sorted(held)
    assert git(folder, "status", "--porcelain") == ""
    for path, oid in datahub("show", "work", "--json").json["objects"].items():
        stored = (labeled / ".datahub" / "objects" / oid[:2] / oid[2:]).stat().st_size
        assert (folder / path).read_text() == (
            f"version https://git-lfs.github.com/spec/v1\noid sha256:{oid}\nsize {stored}\n"
        )


def test_a_folder_that_holds_something_is_left_alone(datahub: Datahub, project: Path) -> None:
    refused = datahub("git", "export", str(project))

    assert refused.code == 3
    assert "empty folder" in refused.err


@pytest.fixture
def exported(
    datahub: Datahub, labeled: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Path:
    """An export of a guarded history with a merge, and the new project `copy` to import it."""
    assert datahub("tag", "create", "v1", "main").code == 0
    assert datahub("merge", "work", "--into", "main").code == 0
    assert datahub("git", "export", str(tmp_path / "exported")).code == 0
    (tmp_path / "copy").mkdir()
    monkeypatch.chdir(tmp_path / "copy")
    assert datahub("init", "--dataset", "mail").code == 0
    return tmp_path


def test_an_exported_history_is_imported_ids_verdicts_and_all(
    datahub: Datahub, exported: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ["git", "import", str(exported / "exported")]

    made = datahub(*words, "--objects", str(exported / ".datahub" / "objects"), "--json")

    assert made.code == 0, made.err
    asked = (["log", "main"], ["branch", "list"], ["tag", "list"], ["audit", "main"], ["fsck"])
    told = [datahub(*one, "--json") for one in asked]
    assert datahub("commit", "datahub.toml", "-m", "past the gate", "--branch", "main").code == 3
    monkeypatch.chdir(exported)
    assert [(t.code, t.json) for t in told] == [
        (t.code, t.json) for t in (datahub(*one, "--json") for one in asked)
    ]
    assert told[3].code == 0
    monkeypatch.chdir(exported / "copy")
    again = datahub(*words, "--objects", str(exported / ".datahub" / "objects"))
    assert again.code == 3
    assert "just made" in again.err


@pytest.mark.parametrize("spoiled", ["missing", "bytes", "foreign", "rewritten"])
def test_an_import_that_cannot_be_trusted_changes_no_history(
    datahub: Datahub, exported: Path, spoiled: str
) -> None:
    folder, objects = exported / "exported", exported / ".datahub" / "objects"
    before = datahub("log", "--json").json
    oid = (folder / "datasets" / "mail" / "dataset.json").read_text().split("sha256:")[1][:64]
    place = objects / oid[:2] / oid[2:]
    if spoiled == "missing":
        place.unlink()
    elif spoiled == "bytes":
        place.chmod(0o600)
        place.write_bytes(b"other")
    else:
        message = "by another" if spoiled == "foreign" else git(folder, "log", "-1", "--format=%B")
        me = ["-c", "user.name=x", "-c", "user.email=x@x"]
        git(folder, "rm", "-q", "datasets/mail/dataset.json")
        git(folder, *me, "commit", "-q", "--amend", "--cleanup=verbatim", "-m", message)

    refused = datahub("git", "import", str(folder), "--objects", str(objects))

    assert refused.code == {"missing": 5, "bytes": 7}.get(spoiled, 2), refused.err
    assert datahub("log", "--json").json == before
    assert datahub("fsck").code == 0
