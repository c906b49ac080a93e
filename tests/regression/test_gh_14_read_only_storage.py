"""Every command that reads works where the project's storage cannot be written.

A history with a write-ahead log needs a file of shared memory beside it: 10 of 10 commands failed.
"""

from __future__ import annotations

import json
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from datahub import Hub
from datahub.core.errors import StorageError
from datahub.machine.disk import connect_frozen, state_of
from tests.conftest import skip_or_fail
from tests.integration.conftest import LFS, Datahub

# In one process, since each start costs half a second.
WALK = """
import contextlib, io, json, sys
from datahub.cli.app import main
codes = {}
for command in json.loads(sys.argv[1]):
    sys.argv = ["datahub", *command]
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            main()
        except SystemExit as end:
            codes[" ".join(command)] = [end.code or 0, err.getvalue()]
print(json.dumps(codes))
"""


@pytest.fixture
def bwrap() -> str:
    path = shutil.which("bwrap")
    works = (
        path is not None
        and not subprocess.run(
            [path, "--ro-bind", "/", "/", "--dev", "/dev", "true"], capture_output=True, check=False
        ).returncode
    )
    if not works or path is None:
        skip_or_fail("bwrap", "bwrap makes no read-only view of files here")
    return str(path)


def walk(bwrap: str, project: Path, *commands: str) -> dict[str, list[object]]:
    """Exit code and stderr of commands, where nothing but /tmp's own folder can be written."""
    words = json.dumps([command.split() for command in commands])
    read_only = [bwrap, "--ro-bind", "/", "/", "--dev", "/dev", "--proc", "/proc"]
    own = ["--tmpfs", "/var/tmp", "--setenv", "TMPDIR", "/var/tmp", "--chdir", str(project)]
    ran = subprocess.run(
        [*read_only, *own, sys.executable, "-c", WALK, words],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    codes: dict[str, list[object]] = json.loads(ran.stdout)
    return codes


READING = (
    "status",
    "log -1",
    "show",
    "head -n 1",
    "branch list",
    "lf stats",
    "label score",
    "why 3",
    "audit main",
    "gate refusals",
    "review report",
    "diff main work",
    "fsck",
    "export /var/tmp/rows.parquet",
)


@pytest.mark.slow
def test_commands_that_read_work_and_those_that_write_say_why_not(
    datahub: Datahub, labeled: Path, bwrap: str
) -> None:
    """`ci` judges there, too: all that it makes lies elsewhere."""
    (labeled / "labeling_functions" / "first.py").write_text(LFS.replace("< 25", "< 30"))
    with (labeled / "datahub.toml").open("a") as settings:
        settings.write('\n[lf]\nsandbox = "none"\n')  # one sandbox in another may not work

    codes = walk(bwrap, labeled, *READING, "ci work", "lf run", "tag create x")

    refused = {command: codes.pop(command) for command in ("lf run", "tag create x")}
    assert {command: ran for command, ran in codes.items() if ran[0] != 0} == {}
    for code, told in refused.values():
        assert code == 7
        assert "writable" in str(told)


def test_a_log_that_is_not_in_the_file_yet_is_not_passed_over(
    datahub: Datahub, labeled: Path, tmp_path_factory: pytest.TempPathFactory, bwrap: str
) -> None:
    """What was committed last would be missing, and nothing would say so."""
    copy = tmp_path_factory.mktemp("copy") / "project"
    with Hub.open(labeled) as hub:
        hub.log()  # a connection that is open keeps the log
        step, head = hub.step(), hub.store.commit_at("work")
        hub.store.commit(
            "work",
            {"note": hub.store.put(b"last")},
            message="Last",
            author=step.author,
            time=step.time,
            expected=head.id,
        )
        shutil.copytree(labeled, copy)
    assert (copy / ".datahub" / "versions.db-wal").stat().st_size > 0
    (copy / ".datahub" / "versions.db-shm").unlink(missing_ok=True)

    ((code, told),) = walk(bwrap, copy, "log -1").values()

    assert (code, "log of writes" in str(told)) == (7, True)


def test_a_database_that_changes_while_it_is_read_shows(tmp_path: Path) -> None:
    """Nothing locks it, so that whoever read it looks again."""
    path = tmp_path / "some.db"
    writer = sqlite3.connect(path)
    writer.execute("PRAGMA journal_mode = WAL")
    writer.execute("CREATE TABLE t (x)")
    writer.commit()
    writer.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    reader, state = connect_frozen(path)
    assert reader.execute("SELECT count(*) FROM t").fetchone() == (0,)
    assert state_of(path) == state
    writer.execute("INSERT INTO t VALUES (1)")
    writer.commit()

    assert state_of(path) != state
    with pytest.raises(StorageError, match="log of writes"):
        connect_frozen(path)
