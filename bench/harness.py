"""Benchmark cases: what one is, and how it is measured.

A case has a side that is ours and, where there is one, a side that is a peer's. Each
side runs in a process of its own (`python -m bench.harness MODULE CASE SIDE`), both in
one run, so that its peak memory is its own, with that of its children at the same time;
numpy and torch have one thread each. A side costs the CPU-seconds of that process and its
children within `watch.timed()` (all of it, where a side times nothing).
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "bench" / "results"
# Pools of threads that wait for work by spinning: on a busy machine that costs several times the
# work itself. One thread each, for both sides. (polars has its own pool, and waits asleep.)
SPINNING = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
SAID = "RESULT "  # starts the line on stdout that holds what a side came to

Figures = Mapping[str, Any]


class Watch:
    """What a side is given: its folders, and a clock for the part of its work that counts."""

    def __init__(self, scratch: Path, data: Path | None) -> None:
        self.scratch = scratch  # prepared inputs, kept from run to run
        self.data = data  # published sets that are not part of the product, or None
        self.cpu: float | None = None
        self.seconds: float | None = None

    @contextmanager
    def timed(self) -> Iterator[None]:
        """Count this block, and other such blocks, instead of the whole side."""
        cpu, seconds = cpu_seconds(), time.perf_counter()
        yield
        self.cpu = (self.cpu or 0.0) + cpu_seconds() - cpu
        self.seconds = (self.seconds or 0.0) + time.perf_counter() - seconds


Side = Callable[[Watch], Figures | None]


@dataclass(frozen=True)
class Result:
    """One case's outcome. CPU-seconds, MB (of 10^6 bytes); None is what was not measured."""

    case: str
    group: str
    title: str
    ours: float | None = None
    peer: float | None = None
    ratio: float | None = None  # peer / ours
    seconds: float | None = None
    peer_seconds: float | None = None
    peak_mb: float | None = None
    peer_peak_mb: float | None = None
    peer_name: str = ""
    goal: str = ""
    met: bool | None = None
    left_out: str = ""  # why the case was not run
    peer_left_out: str = ""  # why there is no figure of the peer
    figures: Figures = field(default_factory=dict)  # {"ours": ..., "peer": ...}
    columns: tuple[str, ...] = ()  # a table that belongs to the case, if any
    table: tuple[tuple[Any, ...], ...] = ()
    machine: Figures = field(default_factory=dict)


@dataclass(frozen=True)
class Case:
    """One case. Sides are functions of the module's top level; what they return is kept.

    A side that returns `columns` and `table` gives the case a table of its own. `prepare` makes
    inputs in `watch.scratch`, in a process of its own, and costs nothing.
    """

    name: str
    title: str
    ours: Side
    peer: Side | None = None
    peer_name: str = ""
    no_peer: str = ""  # why there is none
    prepare: Side | None = None
    goal: str = ""
    met: Callable[[Result], bool] | None = None
    needs: Callable[[Watch], str] | None = None  # why it cannot run here, "" where it can
    limit_gb: float = 20.0  # of address space, for either side
    timeout: float = 1800.0


def run_case(case: Case, module: str, watch: Watch) -> Result:
    """Prepare and measure one case; whatever stops it becomes part of the result."""
    group = str(import_module(module).__doc__).partition("\n")[0].rstrip(".")
    start: dict[str, Any] = {
        "case": case.name,
        "group": group,
        "title": case.title,
        "goal": case.goal,
    }
    start |= {"peer_name": case.peer_name}
    reason = case.needs(watch) if case.needs else ""
    if not reason and case.prepare is not None:
        reason = str(_apart(case, module, "prepare", watch).get("failed", ""))
    ours = {} if reason else _apart(case, module, "ours", watch)
    reason = reason or ours.pop("failed", "")
    if reason:
        return Result(**start, left_out=reason, machine=machine())
    peer: dict[str, Any] = {"failed": case.no_peer}
    if case.peer is not None:
        peer = _apart(case, module, "peer", watch)
    result = Result(
        **start,
        ours=ours["cpu"],
        seconds=ours["seconds"],
        peak_mb=ours["peak_mb"],
        peer=peer.get("cpu"),
        peer_seconds=peer.get("seconds"),
        peer_peak_mb=peer.get("peak_mb"),
        ratio=_ratio(peer.get("cpu"), ours["cpu"]),
        peer_left_out=peer.get("failed", ""),
        columns=tuple(ours["figures"].pop("columns", ())),
        table=tuple(map(tuple, ours["figures"].pop("table", ()))),
        figures={"ours": ours["figures"], "peer": peer.get("figures", {})},
        machine=machine(),
    )
    return Result(**{**result.__dict__, "met": _met(case, result)})


def write_result(result: Result, folder: Path = RESULTS) -> Path:
    """Keep a result for machines: one JSON file a case."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{result.case}.json"
    path.write_text(json.dumps(asdict(result), indent=2) + "\n", encoding="utf-8")
    return path


def read_results(folder: Path = RESULTS) -> list[Result]:
    """All results that are kept, by name of the case."""
    found = []
    for path in sorted(folder.glob("*.json")):
        raw = json.loads(path.read_text(encoding="utf-8"))
        lists = {"columns": tuple(raw["columns"]), "table": tuple(map(tuple, raw["table"]))}
        found.append(Result(**{**raw, **lists}))
    return found


def cpu_seconds() -> float:
    """CPU-seconds of this process and of its children that have ended."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def peak_mb() -> float:
    """The most memory that this process (its largest child, if larger) held at a time."""
    children = _kilobytes(resource.RUSAGE_CHILDREN)
    # ru_maxrss of a child may be its parent's: Linux keeps it across exec
    own = _status(os.getpid(), "VmHWM") or _kilobytes(resource.RUSAGE_SELF)
    return max(own, children) * 1024 / 1e6


class Family(threading.Thread):
    """Watches a process and its children: the most memory that they held at the same time.

    A sum of what each holds, looked at ten times a second; of a child the most that it ever held.
    Libraries that several of them share count for each. 0 where there is no /proc.
    """

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self.pid = pid
        self.most_mb = 0.0
        self.over = threading.Event()

    def run(self) -> None:
        """Look until it is `over`."""
        while not self.over.wait(0.1):
            pids = _with_children(self.pid)
            if len(pids) > 1:  # of one alone `peak_mb` knows better
                held = _status(self.pid, "VmRSS") + sum(_status(one, "VmHWM") for one in pids[1:])
                self.most_mb = max(self.most_mb, held * 1024 / 1e6)


def _with_children(pid: int) -> list[int]:
    """A process and all that it started, and they."""
    parents = {}
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            words = (folder / "stat").read_text(encoding="utf-8", errors="replace")
            parents[int(folder.name)] = int(words.rpartition(")")[2].split()[1])
    found = [pid]
    for one in found:
        found += [child for child, parent in parents.items() if parent == one]
    return found


def _status(pid: int, name: str) -> int:
    """A figure of /proc/PID/status in kB; 0 where the process is gone."""
    with suppress(OSError, StopIteration):
        status = Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace")
        return next(int(li.split()[1]) for li in status.splitlines() if li.startswith(name))
    return 0


def machine() -> dict[str, Any]:
    """Where it was measured."""
    packages = ("numpy", "polars", "snorkel", "torch", "scikit-learn", "pandas", "pyarrow")
    return {
        "cpus": os.cpu_count(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "packages": {name: version(name) for name in packages},
        "date": time.strftime("%Y-%m-%d", time.gmtime()),
    }


def _kilobytes(who: int) -> int:
    most = resource.getrusage(who).ru_maxrss
    return most // 1024 if sys.platform == "darwin" else most


def _ratio(peer: float | None, ours: float) -> float | None:
    return None if peer is None or ours <= 0 else peer / ours


def _met(case: Case, result: Result) -> bool | None:
    return None if case.met is None else bool(case.met(result))


def _apart(case: Case, module: str, side: str, watch: Watch) -> dict[str, Any]:
    """Run one side in a process of its own; {"failed": why} where it gave no result."""
    words = [sys.executable, "-m", "bench.harness", module, case.name, side]
    words += ["--scratch", str(watch.scratch)]
    words += ["--data", str(watch.data)] if watch.data else []
    with subprocess.Popen(
        words,
        cwd=ROOT,
        env={**os.environ, **dict.fromkeys(SPINNING, "1")},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as child:
        family = Family(child.pid)
        family.start()
        try:
            out, err = child.communicate(timeout=case.timeout)
        except subprocess.TimeoutExpired:
            child.kill()
            return {"failed": f"not done within {case.timeout:.0f} s"}
        finally:
            family.over.set()
    family.join()
    ran = subprocess.CompletedProcess(words, child.returncode, out, err)
    said = [li for li in ran.stdout.splitlines() if li.startswith(SAID)]
    if ran.returncode == 0 and said:
        found: dict[str, Any] = json.loads(said[-1][len(SAID) :])
        found["peak_mb"] = max(found["peak_mb"], family.most_mb)
        return found
    return {"failed": _why(ran, case.limit_gb)}


def _why(ran: subprocess.CompletedProcess[str], limit_gb: float) -> str:
    last = (ran.stderr.strip().splitlines() or [f"ended with {ran.returncode}"])[-1]
    memory = (
        "MemoryError",
        "can't allocate memory",
        "Unable to allocate",
        "bad_alloc",
        "memory allocation of",
    )
    if ran.returncode == -9 or any(word in ran.stderr for word in memory):
        return f"does not fit into {limit_gb:g} GB"
    return last[:200]


def _run_side(arguments: argparse.Namespace) -> None:
    cases: tuple[Case, ...] = import_module(arguments.module).CASES
    case = next(case for case in cases if case.name == arguments.case)
    limit = int(case.limit_gb * 2**30)
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    watch = Watch(arguments.scratch, arguments.data)
    cpu, seconds = cpu_seconds(), time.perf_counter()
    figures = getattr(case, arguments.side)(watch)
    spent = cpu_seconds() - cpu if watch.cpu is None else watch.cpu
    passed = time.perf_counter() - seconds if watch.seconds is None else watch.seconds
    found = {"cpu": spent, "seconds": passed, "peak_mb": peak_mb(), "figures": figures or {}}
    print(SAID + json.dumps(found), flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Run one side of one case in this process.")
    for word in ("module", "case", "side"):
        parser.add_argument(word)
    parser.add_argument("--scratch", type=Path, required=True)
    parser.add_argument("--data", type=Path)
    _run_side(parser.parse_args())
