"""A panic of polars is an error of the command line: exit 70, JSON, and no line of Rust.

polars raises a BaseException and prints the panic by itself; the command line then printed a
traceback and exited 1, which means that a gate refused.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

# A command that does what a test says, beside the real ones: whatever a vendor may do.
COMMAND = """
import importlib
from datahub.cli import app
from datahub.cli.context import Json

place = app if hasattr(app, "app") else importlib.import_module("datahub.cli.commands")

@place.app.command()
def run(code: str, json: Json = False) -> None:
    "Run this code."
    exec(code)

app.main()
"""
PANIC = "import polars as pl; pl.Series([2**31 - 1], dtype=pl.Int32).cast(pl.Date).to_list()"
PANIC_OF_A_THREAD = (
    "import polars as pl; "
    "pl.DataFrame({'d': pl.Series([2**31 - 1], dtype=pl.Int32).cast(pl.Date)}).write_csv()"
)
CALLED = """
import polars as pl
from snorkel.labeling import labeling_function

FAR = pl.Series([2**31 - 1], dtype=pl.Int32).cast(pl.Date)


@labeling_function()
def panics(x):
    return len(FAR.to_list())
"""
WRITTEN_OUT = """
import polars as pl
from datahub import expression

far = (pl.col("id") * 0 + (2**31 - 1)).cast(pl.Int32).cast(pl.Date)
bad = expression("bad", far.dt.to_string("%Y") == "1", 1)
"""


def datahub(*words: str, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """The real command line in a process of its own, with the command above."""
    return subprocess.run(
        [sys.executable, "-c", COMMAND, *words],
        cwd=cwd,
        env={**os.environ, "TMPDIR": str(cwd), **environment},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.mark.slow
@pytest.mark.parametrize("backtrace", ["0", "1", "full"])
@pytest.mark.parametrize("code", [PANIC, PANIC_OF_A_THREAD], ids=["here", "in a thread"])
def test_a_panic_is_a_bug_in_one_line_of_json(tmp_path: Path, code: str, backtrace: str) -> None:
    """Whatever Rust is told to print; the panic and the traceback are in the file it names."""
    ran = datahub("run", code, "--json", cwd=tmp_path, RUST_BACKTRACE=backtrace)

    assert (ran.returncode, ran.stdout) == (70, "")
    said = json.loads(ran.stderr)["error"]
    assert said["code"] == "bug"
    assert said["message"].startswith("PanicException: ")
    (report,) = tmp_path.glob("datahub-bug-*.txt")
    assert str(report) in said["hint"]
    assert "Traceback" in report.read_text()
    assert "panicked at" in report.read_text()
    assert report.stat().st_mode & 0o077 == 0


@pytest.mark.slow
@pytest.mark.parametrize(
    "raised",
    [
        *("GeneratorExit", "SystemExit(0)", "SystemExit(1)", "SystemExit('no')", "EOFError"),
        *("MemoryError", "RecursionError", "BrokenPipeError(32, 'a socket')", "BaseException('x')"),
        "BaseExceptionGroup('many', [GeneratorExit()])",
    ],
)
def test_whatever_nobody_expected_is_a_bug(tmp_path: Path, raised: str) -> None:
    """Nothing but findings exits 1, and nothing that broke off exits 0."""
    ran = datahub("run", f"raise {raised}", cwd=tmp_path)

    assert ran.returncode == 70
    assert ran.stderr.startswith(f"error[bug]: {raised.partition('(')[0]}")
    assert "Traceback" not in ran.stderr


def test_ctrl_c_and_a_command_line_that_is_wrong_keep_their_codes(tmp_path: Path) -> None:
    stopped = datahub("run", "raise KeyboardInterrupt", cwd=tmp_path)
    wrong = datahub("nope", "--json", cwd=tmp_path)
    lacking = datahub("lf", "test", "--json", cwd=tmp_path)

    assert stopped.returncode == 130
    assert (wrong.returncode, lacking.returncode) == (2, 2)
    assert json.loads(wrong.stderr)["error"]["message"] == "No such command 'nope'."
    assert json.loads(lacking.stderr)["error"]["code"] == "usage"


def test_a_broken_installation_refuses_nothing(tmp_path: Path) -> None:
    """A library that does not import is no verdict of a gate."""
    (tmp_path / "rich.py").write_text("raise ImportError('half an upgrade')")
    (tmp_path / "typer.py").write_text("raise ImportError('half an upgrade')")
    script = (
        f"import sys; sys.path.insert(0, {str(tmp_path)!r}); import datahub.cli.app as a; a.main()"
    )

    ran = subprocess.run(
        [sys.executable, "-c", script, "gate", "run"], capture_output=True, text=True, check=False
    )

    assert ran.returncode == 70
    assert "half an upgrade" in ran.stderr


def test_what_other_processes_and_aborts_write_still_comes(tmp_path: Path) -> None:
    """Only panics are held back: what else goes past Python is shown, the last words too."""
    child = datahub(
        "run",
        "import subprocess; subprocess.run('echo a child says >&2; printf prompt >&2', shell=True)",
        cwd=tmp_path,
    )
    aborted = datahub("run", "import os; os.write(2, b'last words'); os.abort()", cwd=tmp_path)

    assert (child.returncode, child.stderr) == (0, "a child says\nprompt")
    assert (aborted.returncode, aborted.stderr) == (-signal.SIGABRT, "last words")


@pytest.mark.slow
def test_a_panic_inside_an_lf_is_that_lfs(tmp_path: Path) -> None:
    """Called or as an expression, the LF is named, on one line of JSON: no line of Rust."""
    (tmp_path / "rows.csv").write_text("id,text\n1,a prize\n2,no\n")
    datahub("init", "--dataset", "mail", cwd=tmp_path)
    datahub("import", "rows.csv", "--key", "id", "--classes", "ham,spam", cwd=tmp_path)
    file = tmp_path / "labeling_functions" / "first.py"
    file.write_text(CALLED)
    called = datahub("lf", "run", "--json", cwd=tmp_path)
    file.write_text(WRITTEN_OUT)
    written_out = datahub("lf", "run", "--json", cwd=tmp_path)

    assert called.returncode == 2, called.stderr
    assert "LF 'panics' raised on 2 of 2 rows" in json.loads(called.stderr)["error"]["message"]
    assert written_out.returncode == 2, written_out.stderr
    assert "LF 'bad' cannot run" in json.loads(written_out.stderr)["error"]["message"]
