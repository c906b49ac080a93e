"""The sandbox showed hidden files: below the project's root, beside a script, through Python's."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest

from datahub.adapters.lfs_folder import sandbox
from datahub.core.errors import ConfigError
from tests.conftest import skip_or_fail

SECRET = "hush-7f3a"
SCRIPT = """\
import json, subprocess, sys
from pathlib import Path
sys.path += [*{packages}, "/tmp", "/"]
from datahub.adapters.lfs_folder import sandbox
before = sandbox.command({bwrap!r}, Path({project!r}))
code = {code!r}
sys.exit(subprocess.run([*before, sys.executable, "-c", code]).returncode)
"""
INSIDE = """\
import json, sys
from pathlib import Path
sys.path[:] = {packages}
import polars, datahub
def content(path):
    try:
        return Path(path).read_text()
    except OSError:
        return "nothing"
print(json.dumps([content(path) for path in {paths}]))
"""


@pytest.fixture
def bwrap(tmp_path: Path) -> str:
    """Only where bubblewrap can make a sandbox."""
    path = shutil.which("bwrap")
    if path is None:
        skip_or_fail("bwrap", "no bwrap on the PATH")
    assert path is not None
    if not sandbox.works(path, tmp_path):
        skip_or_fail("bwrap", "it cannot make a sandbox here: no user namespaces?")
    return path


def contents(
    bwrap: str, project: Path, paths: list[Path], *, script: Path, python: str = sys.executable
) -> dict[str, str]:
    """What can be read of each path in a sandbox that a script of this Python makes."""
    packages = [path for path in sys.path if Path(path).is_absolute()]
    code = INSIDE.format(packages=packages, paths=list(map(str, paths)))
    script.parent.mkdir(exist_ok=True, parents=True)
    script.write_text(
        SCRIPT.format(packages=packages, bwrap=bwrap, project=str(project), code=code)
    )
    ran = subprocess.run([python, str(script)], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    return dict(zip([path.name for path in paths], json.loads(ran.stdout), strict=True))


def written(*paths: Path) -> list[Path]:
    """The same paths, each with a secret in it."""
    for path in paths:
        path.parent.mkdir(exist_ok=True, parents=True)
        path.write_text(SECRET)
    return list(paths)


def shown(came: dict[str, str]) -> set[str]:
    """The names of what could be read."""
    return {name for name, content in came.items() if content == SECRET}


@pytest.mark.parametrize("environment", [".", "..", ".venv", "venv"])
def test_a_python_environment_in_or_around_the_project_shows_no_hidden_file(
    bwrap: str, tmp_path: Path, environment: str
) -> None:
    """`python -m venv .` makes the project itself what Python runs from."""
    project = tmp_path / "outer" / "project"
    hidden = written(project / ".env", project / ".datahub" / "key", project / "datahub.toml")
    beside = written(tmp_path / "outer" / "beside.txt")
    seen = written(project / "words.txt")
    place = (project / environment).resolve()
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(place)], check=True)

    came = contents(
        bwrap,
        project,
        hidden + beside + seen,
        script=tmp_path / "scripts" / "run.py",
        python=str(place / "bin" / "python"),
    )

    assert shown(came) == {"words.txt"}


def test_hidden_files_are_hidden_at_any_depth(bwrap: str, tmp_path: Path) -> None:
    """And what a hidden link of the project leads to; other files can be read."""
    project = tmp_path / "project"
    hidden = written(
        project / "sub" / ".env", project / "a" / "b" / ".aws" / "key", project / "a" / "linked"
    )
    (project / "sub" / ".link").symlink_to(project / "a" / "linked")
    seen = written(project / "a" / "b" / "words.txt", project / "sub" / "data.txt")

    came = contents(bwrap, project, hidden + seen, script=project / "run.py")

    assert shown(came) == {"words.txt", "data.txt"}


def test_the_folder_of_a_script_and_scratch_folders_are_not_shown(
    bwrap: str, tmp_path: Path
) -> None:
    """A script in /tmp would show all of /tmp."""
    (tmp_path / "project").mkdir()
    beside = written(tmp_path / "scripts" / "keys.txt")

    came = contents(bwrap, tmp_path / "project", beside, script=tmp_path / "scripts" / "run.py")

    assert shown(came) == set()


def test_scratch_folders_stay_empty_though_python_imports_from_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for path in ("/tmp", "/var", "/"):
        monkeypatch.syspath_prepend(path)

    words = sandbox.command("bwrap", Path(__file__).parent)

    bound = {name for word, name in pairwise(words) if word == "--ro-bind"}
    assert not bound & {"/tmp", "/var", "/"}


def test_more_hidden_files_than_can_be_hidden_are_refused(tmp_path: Path) -> None:
    """Else whoever adds enough of them would have LFs run without a sandbox."""
    written(*(tmp_path / "sub" / f".{number}" for number in range(1001)))

    with pytest.raises(ConfigError, match="1001 hidden files"):
        sandbox.command("bwrap", tmp_path)
