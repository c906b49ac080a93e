"""LFs that attack: what they see, reach and take, with a sandbox and without one."""

from __future__ import annotations

import json
import os
import shutil
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from datahub import Hub
from datahub.adapters.lfs_folder import sandbox
from datahub.core.errors import ConfigError
from tests.conftest import skip_or_fail
from tests.integration.conftest import Datahub

pytestmark = pytest.mark.slow

SECRET = "hush-7f3a"

ATTACK = """\
import ctypes, json, os, pathlib, signal, socket, subprocess
from datahub import keywords
from snorkel.labeling import labeling_function

plain = keywords("plain", ["free"], 1)
PARENT, PORT, PROJECT = {parent}, {port}, pathlib.Path({project!r})
HOME = pathlib.Path({home!r})


def tried(attack):
    try:
        return str(attack())
    except BaseException as error:
        return f"failed: {{type(error).__name__}}"


def connected():
    with socket.create_connection(("127.0.0.1", PORT), timeout=5):
        return "connected"


def left_behind():
    if os.fork() == 0:
        os.setsid()
        os.execvp("sleep", ["sleep", "{sleeps}"])
    return "left"


ATTACKS = {{
    "environ": lambda: dict(os.environ),
    "own proc": lambda: pathlib.Path("/proc/self/environ").read_bytes(),
    "arguments": lambda: pathlib.Path("/proc/self/cmdline").read_bytes(),
    "parent's environ": lambda: pathlib.Path(f"/proc/{{PARENT}}/environ").read_bytes(),
    "any environ": lambda: [p.read_bytes() for p in pathlib.Path("/proc").glob("[0-9]*/environ")],
    "own folder": lambda: os.listdir(PROJECT / ".datahub"),
    "settings": lambda: (PROJECT / "datahub.toml").read_text(),
    "dotenv": lambda: (PROJECT / ".env").read_text(),
    "key": lambda: (HOME / ".ssh" / "id").read_text(),
    "key in the project": lambda: (PROJECT / "labeling_functions" / "link").read_text(),
    "write": lambda: (PROJECT / "labeling_functions" / "evil.py").write_text("x"),
    "delete": lambda: (PROJECT / "mail.parquet").unlink(),
    "write home": lambda: (HOME / ".bashrc").write_text("x"),
    "network": connected,
    "kill": lambda: os.kill(PARENT, signal.SIGUSR1),
    "trace": lambda: ctypes.CDLL(None, use_errno=True).ptrace(16, PARENT, 0, 0),
    "leave": left_behind,
    "data": lambda: (PROJECT / "words.txt").read_text(),
    "scratch": lambda: pathlib.Path("/tmp/scratch").write_text("x"),
    "files": lambda: [open("/dev/null") for _ in range(5000)] and "opened",
}}


@labeling_function()
def attacks(x):
    for name, attack in ATTACKS.items() if x.id == 1 else ():
        print("ATTACK", json.dumps([name, tried(attack)]))
    return -1


@labeling_function()
def eats(x):
    if x.id == 2:
        return len(bytearray(3 << 30)) * 0
    return -1
"""


@pytest.fixture
def bwrap(tmp_path: Path) -> None:
    """Only where bubblewrap can make a sandbox."""
    found = shutil.which("bwrap")
    if found is None:
        skip_or_fail("bwrap", "no bwrap on the PATH")
    if not sandbox.works(found, tmp_path):
        skip_or_fail("bwrap", "it cannot make a sandbox here: no user namespaces?")


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    """A server of this machine."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server


@pytest.fixture
def attacked(project: Path, listener: socket.socket, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The project with an LF that attacks, in a home with secrets."""
    home = project.parent / f"{project.name}-home"
    (home / ".ssh").mkdir(parents=True)
    (home / ".ssh" / "id").write_text(SECRET)
    (project / ".env").write_text(SECRET)
    (project / "words.txt").write_text("free")
    (project / "labeling_functions" / "link").symlink_to(home / ".ssh" / "id")
    (project / "labeling_functions" / "attack.py").write_text(
        ATTACK.format(
            parent=os.getpid(),
            port=listener.getsockname()[1],
            project=str(project),
            home=str(home),
            sleeps=f"9{os.getpid()}",
        )
    )
    monkeypatch.setenv("HOME", str(home))
    for name in ("DATAHUB_PROMPT_API_KEY", "AWS_SECRET_ACCESS_KEY", "LAKECTL_KEY", "MY_TOKEN"):
        monkeypatch.setenv(name, SECRET)
    monkeypatch.setenv("DATAHUB_LF_MEMORY", "1GB")
    monkeypatch.setenv("DATAHUB_MAX_FAULT_SHARE", "1")
    return project


def outcomes(said: str) -> dict[str, str]:
    """What came of each attack."""
    lines = [line.partition("ATTACK ")[2] for line in said.splitlines() if "ATTACK " in line]
    return dict(json.loads(line) for line in lines)


def test_an_lf_sees_no_secret_of_the_environment_and_takes_no_more_than_it_may(
    datahub: Datahub, attacked: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a sandbox, too; what it may not take is a fault of its row."""
    monkeypatch.setenv("DATAHUB_LF_SANDBOX", "none")
    text = (attacked / "labeling_functions" / "attack.py").read_text()
    kept = ("environ", "own proc", "arguments", "data", "files")
    others = [line for line in text.splitlines() if line.startswith('    "')]
    for line in others:
        if line.split('"')[1] not in kept:
            text = text.replace(line + "\n", "")
    (attacked / "labeling_functions" / "attack.py").write_text(text)

    ran = datahub("lf", "run", "--json")

    came = outcomes(ran.err)
    assert ran.code == 0, ran.err
    assert set(came) == set(kept)
    assert SECRET not in ran.err
    assert "PATH" in came["environ"]
    assert came["data"] == "free"
    assert came["files"] == "failed: OSError"
    assert [(f["lf"], f["key"]) for f in ran.json["faults"]] == [("eats", 2)]
    assert ran.json["faults"][0]["error"].startswith("MemoryError")


@pytest.mark.usefixtures("bwrap")
def test_in_the_sandbox_no_attack_gets_anywhere(datahub: Datahub, attacked: Path) -> None:
    """Data of the project can be read, scratch files written; all else fails."""
    before = sorted(path for path in attacked.rglob("*") if ".datahub" not in path.parts)

    ran = datahub("lf", "run", "--json")

    came = outcomes(ran.err)
    after = sorted(path for path in attacked.rglob("*") if ".datahub" not in path.parts)
    assert ran.code == 0, ran.err
    assert SECRET not in ran.err
    assert (came["data"], came["scratch"], came["leave"]) == ("free", "1", "left")
    assert came["own folder"] == "[]"
    reading = ("settings", "dotenv", "key", "key in the project", "parent's environ")
    for attack in (*reading, "write", "delete", "network", "kill", "files"):
        assert came[attack].startswith("failed"), attack
    assert came["trace"] == "-1"
    assert after == before
    assert not (Path.home() / ".bashrc").exists()
    assert [(f["lf"], f["key"]) for f in ran.json["faults"]] == [("eats", 2)]
    assert f"9{os.getpid()}" not in commands()


def commands() -> str:
    """What all processes of this machine were started with."""
    said = ""
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            said += path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
    return said


GARBAGE = """\
import os, pickle, struct
from pathlib import Path
from snorkel.labeling import labeling_function


class Evil:
    def __reduce__(self):
        return exec, ("open({marker!r}, 'w').close()",)


@labeling_function()
def garbage(x):
    evil = pickle.dumps(("applied", Evil()))
    for fd in map(int, os.listdir("/proc/self/fd")):
        for content in {contents}:
            try:
                os.write(fd, content)
            except OSError:
                pass
    return 0
"""


@pytest.mark.parametrize(
    "contents",
    [
        "[len(evil).to_bytes(8, 'big') + evil]",
        "[os.urandom(4096)]",
        """[b"datahub\\n" + struct.pack(">IQ", 14, 0) + b'{"number": 99}']""",
        """[b"datahub\\n" + struct.pack(">IQ", 13, 0) + b'{"number": 2}']""",
        """[b"datahub\\n" + struct.pack(">IQ", 2**32 - 1, 2**60)]""",
    ],
    ids=["a pickle", "noise", "another number", "no votes", "a huge length"],
)
def test_what_an_lf_writes_on_the_pipe_is_no_answer(
    datahub: Datahub, project: Path, contents: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing of it runs here, and nothing is committed."""
    monkeypatch.setenv("DATAHUB_LF_SANDBOX", "none")
    marker = project / "executed"
    text = GARBAGE.replace("{marker!r}", repr(str(marker))).replace("{contents}", contents)
    (project / "labeling_functions" / "garbage.py").write_text(text)
    head = datahub("log", "--json").json

    ran = datahub("lf", "run")

    assert ran.code == 2, ran.err
    assert "sent an invalid answer" in ran.err
    assert not marker.exists()
    assert datahub("log", "--json").json == head


def test_signs_that_steer_a_terminal_are_written_out(datahub: Datahub, project: Path) -> None:
    (project / "labeling_functions" / "loud.py").write_text("print('a\\x1b]52;c;aGk=\\x07b')\n")

    said = datahub("lf", "run").err

    assert "\x1b" not in said
    assert "a\\x1b]52;c;aGk=\\x07b" in said


def test_an_lf_gets_the_variables_that_the_project_names(
    datahub: Datahub, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORDS_TO_FIND", "prize")
    monkeypatch.setenv("OTHER_WORDS", "dinner")
    (project / "datahub.toml").write_text(
        'dataset = "mail"\n[lf]\nenvironment = ["WORDS_TO_FIND", "NOWHERE"]\n'
    )
    (project / "labeling_functions" / "named.py").write_text(
        "import os\nfrom datahub import keywords\n"
        "named = keywords('named', [os.environ['WORDS_TO_FIND']], 1)\n"
        "assert 'OTHER_WORDS' not in os.environ\n"
    )

    assert datahub("lf", "test", "named", "--json").json["votes"] == {"spam": 6}


def test_no_project_may_hand_settings_of_datahub_to_lfs(datahub: Datahub, project: Path) -> None:
    """Neither its key of a server nor any other: they begin alike."""
    (project / "datahub.toml").write_text(
        'dataset = "mail"\n[lf]\nenvironment = ["DATAHUB_LAKEFS_SECRET_ACCESS_KEY"]\n'
    )

    ran = datahub("lf", "run")

    assert (ran.code, "begins with DATAHUB_" in ran.err) == (2, True)


@pytest.mark.usefixtures("bwrap")
def test_in_the_sandbox_an_lf_reads_what_the_project_names(
    datahub: Datahub, project: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    outside = tmp_path_factory.mktemp("models")
    (outside / "words.txt").write_text("prize")
    (project / "labeling_functions" / "outside.py").write_text(
        "from pathlib import Path\nfrom datahub import keywords\n"
        f"words = Path({str(outside / 'words.txt')!r}).read_text().split()\n"
        "outside = keywords('outside', words, 1)\n"
    )
    settings = 'dataset = "mail"\n[lf]\nsandbox = "bwrap"\n'
    (project / "datahub.toml").write_text(settings)
    refused = datahub("lf", "test", "outside")
    (project / "datahub.toml").write_text(settings + f'readable = ["{outside}"]\n')

    assert (refused.code, "FileNotFoundError" in refused.err) == (2, True)
    assert datahub("lf", "test", "outside", "--json").json["votes"] == {"spam": 6}


def test_without_a_sandbox_status_says_so_and_a_demanded_one_refuses(
    datahub: Datahub, project: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """No bwrap on the PATH, or one that cannot: containers often forbid it."""
    broken = tmp_path / "bin"
    broken.mkdir()
    for path, next_step in (
        (str(broken), "Install bubblewrap"),
        (f"{broken}:{os.environ['PATH']}", "(No permissions): allow user namespaces"),
    ):
        monkeypatch.setenv("PATH", path)

        status = datahub("status", "--json")
        assert status.json["isolated"] is False
        assert "LFs run without isolation" in datahub("status").out
        assert next_step in datahub("status").out
        monkeypatch.setenv("DATAHUB_LF_SANDBOX", "bwrap")
        refused, said = datahub("lf", "run"), datahub("status")
        assert refused.code == 2
        assert next_step in refused.err
        assert said.code == 0, said.err
        assert 'LFs must run in a sandbox (sandbox = "bwrap" under [lf])' in said.out
        assert next_step in said.out
        assert "LFs run without isolation" not in said.out
        assert datahub("status", "--json").json["refused"] is True
        monkeypatch.delenv("DATAHUB_LF_SANDBOX")
        (broken / "bwrap").write_text("#!/bin/sh\necho No permissions >&2\nexit 1\n")
        (broken / "bwrap").chmod(0o755)
        sandbox.failure.cache_clear()


@pytest.mark.usefixtures("bwrap")
def test_in_a_sandbox_status_says_nothing_of_it(datahub: Datahub, project: Path) -> None:
    assert datahub("status", "--json").json["isolated"] is True
    assert "isolation" not in datahub("status").out


def test_a_link_to_a_hidden_file_is_never_taken_for_an_lfs_source(
    datahub: Datahub, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An LF could say it stands there, and the file would be committed."""
    monkeypatch.setenv("DATAHUB_LF_SANDBOX", "none")
    (project / ".env").write_text(f"KEY = {SECRET!r}\n")
    (project / "labeling_functions" / "link.py").symlink_to(project / ".env")
    (project / "labeling_functions" / "first.py").write_text(
        "from datahub.adapters.lfs_folder import descriptions\n"
        "from datahub import keywords\n"
        "lf = keywords('lf', ['free'], 1)\n"
        "theirs = descriptions.asdict\n"
        "def asdict(found):\n"
        "    return {**theirs(found), 'file': 'labeling_functions/link.py'}\n"
        "descriptions.asdict = asdict\n"
    )

    ran = datahub("lf", "run")

    assert ran.code == 2
    assert "invalid answer: an LF that stands in no file of the folder" in ran.err


@pytest.mark.parametrize("memory", ["a lot", "1KB", "-1"])
def test_a_memory_that_cannot_be_is_refused(project: Path, memory: str) -> None:
    hub: Any = Hub.open(project, lf_memory=memory)

    with pytest.raises(ConfigError, match="memory"):
        hub.lf_run()


@pytest.mark.usefixtures("bwrap")
def test_in_the_sandbox_a_folder_of_lfs_may_be_a_link(
    datahub: Datahub,
    project: Path,
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """And a path that is to be readable need not be there."""
    monkeypatch.setenv("DATAHUB_LF_SANDBOX", "bwrap")
    monkeypatch.setenv("DATAHUB_LF_READABLE", "~/nowhere, models")
    outside = tmp_path_factory.mktemp("shared") / "lfs"
    (project / "labeling_functions").rename(outside)
    (project / "labeling_functions").symlink_to(outside)

    assert datahub("lf", "test", "offer", "--json").json["votes"] == {"spam": 18}
