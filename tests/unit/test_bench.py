"""The benchmark harness: each side alone, and nothing passed over in silence."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from bench.harness import (
    Result,
    Watch,
    _status,
    _with_children,
    read_results,
    run_case,
    write_result,
)
from bench.peers import DVC, measured
from bench.report import page

CASES = '''"""Sums. Small ones."""

from bench.harness import Case


def prepare(watch):
    (watch.scratch / "n").write_text("1000")


def ours(watch):
    with watch.timed():
        total = sum(range(int((watch.scratch / "n").read_text())))
    return {"total": total, "columns": ["n"], "table": [[1000]]}


def peer(watch):
    return {"total": sum(range(3_000_000)), "held": len(bytearray(300_000_000))}


def greedy(watch):
    return {"held": len(bytearray(9 * 2**30))}


def broken(watch):
    raise ValueError("no sum today")


CASES = (
    Case("sum", "A sum", ours, peer, "Python", prepare=prepare, met=lambda r: r.ratio > 10),
    Case("greedy", "A sum too large", ours, greedy, "Python", prepare=prepare, limit_gb=4),
    Case("broken", "No sum", broken),
    Case("away", "A sum of nothing", ours, needs=lambda watch: "no numbers here"),
)
'''


def ran(name: str, at: Path, monkeypatch: pytest.MonkeyPatch) -> Result:
    """The result of one of these cases."""
    (at / "bench_sums.py").write_text(CASES)
    monkeypatch.syspath_prepend(at)
    monkeypatch.setenv("PYTHONPATH", str(at))
    import bench_sums  # type: ignore[import-not-found] # written just now

    case = next(case for case in bench_sums.CASES if case.name == name)
    return run_case(case, "bench_sums", Watch(at, None))


def test_each_side_has_its_own_time_and_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    result = ran("sum", tmp_path, monkeypatch)

    assert (result.group, result.met) == ("Sums. Small ones", True)
    assert result.figures["ours"] == {"total": 499500}
    assert (result.columns, result.table) == (("n",), ((1000,),))
    assert result.peak_mb is not None
    assert result.peer_peak_mb is not None
    assert result.peer_peak_mb > result.peak_mb + 250


@pytest.mark.parametrize(
    ("name", "side", "why"),
    [
        ("greedy", "peer_left_out", "does not fit into 4 GB"),
        ("broken", "left_out", "ValueError: no sum today"),
        ("away", "left_out", "no numbers here"),
    ],
)
def test_what_cannot_be_measured_says_why(
    name: str, side: str, why: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    result = ran(name, tmp_path, monkeypatch)

    assert getattr(result, side) == why
    assert why in page([result])


def test_results_come_back_as_they_were_written(tmp_path: Path) -> None:
    result = Result("one", "Sums", "One", ours=1.5, table=((1, None),), columns=("a", "b"))

    write_result(result, tmp_path)

    assert read_results(tmp_path) == [result]


def test_a_missed_goal_is_on_the_page() -> None:
    machine = {"cpus": 2, "system": "", "python": "", "packages": {}, "date": ""}
    missed = Result("one", "Sums", "One", goal="ten times", met=False, machine=machine)

    assert "- One: ten times" in page([missed]).partition("## Goals missed")[2]


def test_no_results_are_an_empty_page() -> None:
    assert "None." in page([])


def test_a_peer_that_does_not_install_is_left_out_with_the_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "cache").write_text("no folder")
    monkeypatch.setenv("DATAHUB_BENCH_PEERS", str(tmp_path / "cache"))

    with pytest.raises(SystemExit) as told:
        measured(DVC, Watch(tmp_path, None), "commit", tmp_path)

    assert f"{DVC.package} did not install" in str(told.value)


def test_memory_is_that_of_children_too() -> None:
    """Of each the most that it held; and of a process that is gone, nothing."""
    code = "held = b'x' * 3 * 10**8; print(len(held), flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as child:
        assert child.stdout is not None
        child.stdout.readline()

        assert child.pid in _with_children(os.getpid())
        assert _status(child.pid, "VmHWM") * 1024 > 3 * 10**8
        child.communicate(b"\n")
    assert child.pid not in _with_children(os.getpid())
    assert _status(child.pid, "VmHWM") == 0
