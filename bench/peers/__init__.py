"""Peers that cannot live beside our packages: each in an environment of its own.

Made once by pip in the cache folder, as Label Studio's is for the tests, and never part of
constraints.txt. A peer runs a program of this folder in it, on its own Python API and so
without the time that starting takes, and tells what its steps cost. Telemetry and network are off.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.harness import ROOT, SAID, Figures, Watch

_NOWHERE = "http://127.0.0.1:9"  # where nobody listens
_OFF = {
    "DVC_NO_ANALYTICS": "1",
    "DO_NOT_TRACK": "1",
    "OTEL_SDK_DISABLED": "true",
    **dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"), _NOWHERE),
}


@dataclass(frozen=True)
class Peer:
    """A package and the program here that drives it."""

    name: str
    package: str
    program: str

    @property
    def environment(self) -> Path:
        """Where it is installed."""
        cache = os.environ.get("DATAHUB_BENCH_PEERS", "~/.cache/datahub/bench")
        return Path(cache).expanduser() / self.package.replace("==", "-")

    @property
    def python(self) -> Path:
        """The environment's Python, there once all is installed."""
        return self.environment / "bin" / "python"


DVC = Peer("DVC", "dvc==3.67.1", "dvc_steps")
OXEN = Peer("Oxen", "oxenai==0.65.1", "oxen_steps")


def installed(peer: Peer) -> str:
    """Install a peer where it is not; return why it cannot be, "" where it is."""
    done = peer.environment / "installed"
    if done.is_file():
        return ""
    pip = [str(peer.python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    try:
        for words in (
            [sys.executable, "-m", "venv", "--clear", str(peer.environment)],
            [*pip, peer.package],
        ):
            subprocess.run(words, check=True, capture_output=True, text=True, env=_plain())
    except (subprocess.CalledProcessError, OSError) as error:
        said = str(getattr(error, "stderr", "") or error).strip().splitlines()
        return f"{peer.package} did not install: {said[-1][:150]}"
    done.touch()
    return ""


def measured(peer: Peer, watch: Watch, step: str, folder: Path, *words: str) -> Figures:
    """What a step of a peer costs in `folder`. Ends this process, with the reason, where it fails.

    Its program tells CPU-seconds and seconds of the step alone; the peak is of its whole process.
    """
    reason = installed(peer)
    if reason:
        sys.exit(reason)
    ran = subprocess.run(
        [str(peer.python), "-m", f"bench.peers.{peer.program}", step, *words],
        cwd=folder,
        env={**_plain(), **_OFF, "HOME": str(folder), "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    said = [line for line in ran.stdout.splitlines() if line.startswith(SAID)]
    if ran.returncode != 0 or not said:
        sys.exit(ran.stderr.strip() or f"{peer.name} ended with {ran.returncode}")
    told = json.loads(said[-1][len(SAID) :])
    watch.cpu, watch.seconds = told.pop("cpu"), told.pop("seconds")
    return {"version": peer.package, **told}


def tell(watch: Watch, figures: Figures) -> None:
    """Say what a step came to, the mean of its repeats: what `measured` hears."""
    repeats = figures.get("repeats", 1)
    cost = {"cpu": (watch.cpu or 0.0) / repeats, "seconds": (watch.seconds or 0.0) / repeats}
    held = {"stored_mb": stored_mb(Path(figures["in"]))} if "in" in figures else {}
    kept = {name: value for name, value in figures.items() if name != "in"}
    print(SAID + json.dumps({**cost, **kept, **held}), flush=True)


def changed(files: Sequence[str], times: int) -> None:
    """Change files, other ones each time."""
    for file in files:
        Path(file).write_text(f"{file}, changed for the {times}th time\n" * 20, encoding="utf-8")


def stored_mb(folder: Path) -> float:
    """Bytes of all files below."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 1e6


def preparing(peer: Peer) -> Callable[[Watch], Figures]:
    """Install a peer before anything is measured; why it cannot be is told by its side."""

    def side(watch: Watch) -> Figures:
        installed(peer)
        return {}

    return side


def _plain() -> dict[str, str]:
    """The environment without what would bring our pins or our packages along."""
    ours = ("PIP_CONSTRAINT", "PIP_BUILD_CONSTRAINT", "PYTHONPATH", "VIRTUAL_ENV")
    return {name: value for name, value in os.environ.items() if name not in ours}
