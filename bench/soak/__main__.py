"""`python -m bench.soak [RUN ...]`: run long hunts, keep their figures, exit 1 on any finding."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from importlib import import_module
from pathlib import Path

from bench.soak.outcome import Bounds, Outcome

RUNS = {  # name -> module; each has COUNT and soak(folder, *, count, seed) -> Outcome
    "files": "bench.soak.files",
    "review": "bench.soak.review",
    "gate": "bench.soak.gate",
    "names": "bench.soak.names",
    "jobs": "bench.soak.jobs",
}
BOUNDED = ("files", "names", "gate", "review")  # their soak takes bounds=, too
RESULTS = Path(__file__).parent / "results"


def main() -> None:
    """Run what was asked, one after the other."""
    arguments = _arguments()
    unknown = sorted(set(arguments.runs) - set(RUNS))
    if unknown or arguments.list:
        print(f"no run {unknown[0]!r}\n" if unknown else "", *RUNS, sep="\n")
        sys.exit(2 if unknown else 0)
    outcomes = [_run(name, arguments) for name in arguments.runs or RUNS]
    sys.exit(1 if any(outcome.wrong for outcome in outcomes) else 0)


def _run(name: str, arguments: argparse.Namespace) -> Outcome:
    """Run one, and keep its figures."""
    module = import_module(RUNS[name])
    count, seed = arguments.count or module.COUNT, arguments.seed
    bounds = Bounds(arguments.first, arguments.minutes)
    bound = {"bounds": bounds} if name in BOUNDED else {}
    print(f"{name}: {(module.__doc__ or '').splitlines()[0]}", file=sys.stderr, flush=True)
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix=f"soak-{name}-") as folder:
        outcome: Outcome = module.soak(Path(folder), count=count, seed=seed, **bound)
    tried = [bounds.first, arguments.minutes]
    figures = {"count": count, "seed": seed, "first, minutes": tried, **outcome.as_json()}
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{name}.json").write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    print(json.dumps({**figures, "minutes": round((time.monotonic() - began) / 60, 1)}, indent=1))
    return outcome


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.soak", description=__doc__)
    parser.add_argument("runs", nargs="*", help="names of runs [default: all]")
    parser.add_argument("--list", action="store_true", help="print the names of all runs")
    parser.add_argument("--count", type=int, help="how many tries [default: each run's own]")
    parser.add_argument("--seed", type=int, default=11)
    parser.add_argument(
        "--first", type=int, default=0, help="begin with this file, name or attempt"
    )
    parser.add_argument(
        "--minutes", type=float, help="begin no new file, name or attempt after so many"
    )
    return parser.parse_args()


if __name__ == "__main__":
    main()
