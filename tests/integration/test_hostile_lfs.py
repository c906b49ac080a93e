"""LFs that do what nobody should: each comes to a vote, a fault or a clear refusal."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from snorkel.labeling.lf import LabelingFunction

from datahub import model
from datahub.core.errors import LabelingFunctionError
from datahub.core.labeling import LFOutput, apply
from datahub.machine.processes import state
from tests.integration.conftest import Datahub

pytestmark = pytest.mark.slow


class Odd(BaseException):
    """No Exception."""


class Mute(Exception):
    def __str__(self) -> str:
        raise ValueError("no words")


class Shy:
    def __repr__(self) -> str:
        raise ValueError("no words")


def applied(function: Callable[[Any], Any]) -> LFOutput:
    frame = pl.DataFrame({"id": [1, 2], "text": ["a", "b"]})
    return apply(frame, [LabelingFunction("lf", function)], key="id", cardinality=2)


@pytest.mark.parametrize(
    "vote",
    [1, True, 1.0, np.int8(1), np.uint64(1), np.bool_(True), np.float32(1), np.float64(1)],
    ids=lambda vote: type(vote).__name__,
)
def test_a_whole_number_is_a_vote_whatever_its_type(vote: Any) -> None:
    assert applied(lambda x: vote).votes.tolist() == [[1], [1]]


@pytest.mark.parametrize(
    "vote",
    [
        *(None, "1", "spam", b"1", [1], 0.5, 2, -2, 10**5000, 1j, object(), Shy()),
        *(float("nan"), float("inf"), np.int64(200), np.float32("nan"), np.array(1)),
        (i for i in [1]),
    ],
    ids=lambda vote: type(vote).__name__,
)
def test_what_is_no_class_stops_the_run(vote: Any) -> None:
    with pytest.raises(LabelingFunctionError, match=r"LF 'lf' returned .* on row 1"):
        applied(lambda x: vote)


@pytest.mark.parametrize(
    ("raised", "error"),
    [
        (SystemExit(0), "SystemExit: 0"),
        (GeneratorExit(), "GeneratorExit: "),
        (StopIteration(), "StopIteration: "),
        (Odd("x"), "Odd: x"),
        (MemoryError(), "MemoryError: "),
        (Mute(), "Mute: (its text raised ValueError)"),
        (ValueError("\udc80"), "ValueError: \\udc80"),
        (ValueError("x" * 9999), "ValueError: " + "x" * 288),
    ],
    ids=lambda one: type(one).__name__,
)
def test_whatever_it_raises_is_one_rows_fault(raised: BaseException, error: str) -> None:
    """In a called LF as in a model; and sys.exit() ends no run."""

    def on_b(x: Any) -> int:
        if x.text == "b":
            raise raised
        return 1

    class Model:
        classes_ = (0, 1)

        def predict_proba(self, texts: list[str]) -> Any:
            if "b" in texts:
                raise raised
            return [[0, 1] for _ in texts]

    frame = pl.DataFrame({"id": [1, 2], "text": ["a", "b"]})
    lfs = [LabelingFunction("lf", on_b), model("m", Model())]
    found = apply(frame, lfs, key="id", cardinality=2)

    assert found.votes.tolist() == [[1, 1], [-1, -1]]
    assert [(f.key, f.error) for f in found.faults] == [(2, error), (2, error)]


def test_ctrl_c_is_no_fault() -> None:
    def stopped(x: Any) -> int:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        applied(stopped)


def test_one_lf_never_sees_what_another_did_to_the_row() -> None:
    def ruins(x: Any) -> int:
        x.text = None
        del x.id
        x.other = 1
        return 0

    def reads(x: Any) -> int:
        return int(x.text == "a" and x.id == 1 and "other" not in x)

    frame = pl.DataFrame({"id": [1], "text": ["a"]})
    lfs = [LabelingFunction("ruins", ruins), LabelingFunction("reads", reads)]

    assert apply(frame, lfs, key="id", cardinality=2).votes.tolist() == [[0, 1]]


def test_sys_exit_in_an_lf_refuses_the_run_and_does_not_end_it_as_done(
    datahub: Datahub, project: Path
) -> None:
    """On one process and on two."""
    text = (
        "import sys\nfrom snorkel.labeling import labeling_function\n"
        "@labeling_function()\ndef quits(x):\n    sys.exit(0)\n"
    )
    (project / "labeling_functions" / "first.py").write_text(text)

    for jobs in ("1", "2"):
        ran = datahub("lf", "run", "--jobs", jobs)
        assert (ran.code, "LF 'quits' raised on 42 of 42 rows" in ran.err) == (2, True)


def test_an_error_that_utf8_cannot_hold_is_committed_all_the_same(
    datahub: Datahub, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = (
        "from snorkel.labeling import labeling_function\n"
        "@labeling_function()\ndef lf(x):\n    raise ValueError(chr(0xdc80) + chr(0))\n"
    )
    (project / "labeling_functions" / "größe.py").write_text(text)
    monkeypatch.setenv("DATAHUB_MAX_FAULT_SHARE", "1")

    ran = datahub("lf", "run", "--json")

    assert ran.code == 0, ran.err
    assert json.loads(ran.out)["faults"][0]["error"] == "ValueError: \\udc80\0"


def test_columns_of_any_name_are_read_by_all_kinds(tmp_path: Path) -> None:
    """Keywords of Python, spaces, dots, braces, dunders and names of a row's own methods."""
    names = ["class", "a b", "n.x", "{c}", "get", "self", "__class__", "__dict__", "größe"]
    frame = pl.DataFrame({"id": [1], **{name: ["free"] for name in names}})

    class Free:
        classes_ = (0, 1)

        def predict_proba(self, values: Any) -> Any:
            return [[0, 1] if np.all(value == "free") else [1, 0] for value in values]

    from datahub import keywords

    lfs: list[Any] = [model("table", Free(), columns=names)]
    for name in names:
        lfs.append(keywords(f"words of {name}", ["free"], 1, column=name))
        lfs.append(model(f"model of {name}", Free(), column=name))
        lfs.append(LabelingFunction(f"call of {name}", lambda x, n=name: int(x[n] == "free")))

    votes = apply(frame, lfs, key="id", cardinality=2).votes

    assert votes.tolist() == [[1] * len(lfs)]


@contextmanager
def hanging(project: Path, how: str, *words: str) -> Iterator[subprocess.Popen[str]]:
    """A run whose LF hangs by now: it says so before it does."""
    (project / "labeling_functions" / "hang.py").write_text(
        "import re\n"
        "from snorkel.labeling import labeling_function\n"
        "@labeling_function()\n"
        "def hang(x):\n"
        "    print('it hangs')\n"
        f"    {how}\n"
    )
    command = [sys.executable, "-m", "datahub.cli.app", "lf", "run", *words]
    with subprocess.Popen(command, cwd=project, stderr=subprocess.PIPE, text=True) as running:
        try:
            assert running.stderr is not None
            assert any("it hangs" in line for line in running.stderr)
            yield running
        finally:
            running.kill()


def descendants(pid: int) -> set[int]:
    """Processes that a process has started, and those that they have."""
    found = set[int]()
    for listed in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in map(int, listed.read_text().split()):
            found |= {child} | descendants(child)
    return found


SANDBOXES = pytest.mark.parametrize("sandbox", ["none", "auto"])


@SANDBOXES
@pytest.mark.parametrize("jobs", ["1", "2"])
def test_ctrl_c_ends_a_run_whose_lf_hangs_and_says_where(
    labeled: Path, jobs: str, sandbox: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATAHUB_LF_SANDBOX", sandbox)
    with hanging(labeled, "while True: pass", "--jobs", jobs) as running:
        running.send_signal(signal.SIGINT)
        _, said = running.communicate(timeout=60)

    assert running.returncode == 130
    assert "LF 'hang' was at row" in said


@SANDBOXES
@pytest.mark.parametrize("how", ["while True: pass", "re.search('(a+)+b', 'a' * 64)"])
def test_a_killed_run_leaves_no_process_whose_lf_hangs(
    labeled: Path, how: str, sandbox: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not even one in a search that lets no other thread of it run."""
    monkeypatch.setenv("DATAHUB_LF_SANDBOX", sandbox)
    with hanging(labeled, how) as running:
        started = descendants(running.pid)
        assert started
        running.kill()
        running.communicate(timeout=60)
        left = time.monotonic() + 60
        while (alive := {pid for pid in started if is_running(pid)}) and time.monotonic() < left:
            time.sleep(0.05)

    assert alive == set()


def is_running(pid: int) -> bool:
    """Whoever inherits one that has ended may be slow to bury it."""
    told = state(pid)
    return told is not None and told[0] != "Z"
