"""`python -m bench [CASE ...]`: measure cases, keep results, write docs/benchmarks.md."""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from importlib import import_module
from pathlib import Path

from bench.harness import ROOT, Case, Watch, read_results, run_case, write_result
from bench.report import PAGE, page
from bench.versions import MADE

MODULES = (  # each has CASES; the first line of its docstring heads its table
    "bench.lfs",
    "bench.models",
    "bench.accuracy",
    "bench.label_models",
    "bench.embeddings",
    "bench.label_fit",
    "bench.rows",
    "bench.importing",
    "bench.triage",
    "bench.audits",
    "bench.alike",
    "bench.versions",
    "bench.histories",
    "bench.files",
    "bench.lakefs",
    "bench.walks",
    "bench.review_pull",
    "bench.rowmerge",
    "bench.crash",
    "bench.crash_cli",
)


def main() -> None:
    """Run what was asked, one case after another."""
    arguments = _arguments()
    known = [(module, case) for module in MODULES for case in _cases(module)]
    names = [case.name for _, case in known]
    unknown = sorted(set(arguments.cases) - set(names))
    if unknown or arguments.list:
        print(f"no case {unknown[0]!r}\n" if unknown else "", *names, sep="\n")
        sys.exit(2 if unknown else 0)
    watch = Watch(arguments.scratch.resolve(), arguments.data and arguments.data.resolve())
    watch.scratch.mkdir(parents=True, exist_ok=True)
    for module, case in known:
        if not arguments.report and (not arguments.cases or case.name in arguments.cases):
            print(f"{case.name}: {case.title}", file=sys.stderr, flush=True)
            result = run_case(case, module, watch)
            write_result(result)
            print(f"  {result.left_out or _told(result.ours, result.peer)}", file=sys.stderr)
    shutil.rmtree(watch.scratch / MADE, ignore_errors=True)
    PAGE.write_text(page(read_results()), encoding="utf-8")


def _cases(module: str) -> tuple[Case, ...]:
    cases: tuple[Case, ...] = import_module(module).CASES
    return cases


def _told(ours: float | None, peer: float | None) -> str:
    shown = ["-" if cost is None else f"{cost:.2f}" for cost in (ours, peer)]
    return f"ours {shown[0]}, peer {shown[1]} CPU-s"


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("cases", nargs="*", help="names of cases [default: all]")
    parser.add_argument("--list", action="store_true", help="print the names of all cases")
    parser.add_argument("--report", action="store_true", help="only write the page again")
    data = os.environ.get("BENCH_DATA") or None
    parser.add_argument(
        "--data",
        type=Path,
        default=Path(data) if data else None,
        help="folder of published vote sets, wrench_*.parquet [default: $BENCH_DATA]",
    )
    parser.add_argument(
        "--scratch",
        type=Path,
        default=Path(os.environ.get("BENCH_SCRATCH") or ROOT / ".bench"),
        help="folder for made inputs [default: $BENCH_SCRATCH or .bench]",
    )
    return parser.parse_args()


if __name__ == "__main__":
    main()
