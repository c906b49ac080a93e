"""Five pull requests on the demo's articles, and what datahub answers: python ci/walk.py FOLDER.

FOLDER must be empty, and gets a project and a comment for each pull request (docs/ci.md).
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from datahub import Hub

Run = Callable[..., int]  # words of a command -> its exit code

LFS = Path("labeling_functions/news.py")
SUITE = Path("expectations/labels.json")
CARELESS = 'week = keywords("week", ["week"], SPORT)'
GOOD = 'on_the_pitch = keywords("on_the_pitch", ["goalkeeper", "half-time", "hat-trick"], SPORT)'
EDITED = ('"takeover", "bid"]', '"takeover", "bid", "merger"]')
ASKED: tuple[tuple[str, dict[str, float]], ...] = (
    ("expect_label_flip_rate_to_be_at_most", {}),
    ("expect_class_balance_change_to_be_at_most", {}),
    ("expect_lf_conflict_rate_to_be_at_most", {"refuse": 0.12}),
    ("expect_lf_coverage_to_be_between", {}),
    ("expect_lf_fault_rate_to_be_at_most", {}),
)


@dataclass(frozen=True)
class Answer:
    """What became of a pull request: an exit code, and the comment under it."""

    code: int
    comment: str


def prepare(folder: Path, run: Run) -> None:
    """The project that others send pull requests to: articles, LFs, a gate, and labels on main."""
    hub, _ = Hub.init(folder, dataset="news", end_model="none")
    hub.take_demo_files()
    suite = json.loads((folder / SUITE).read_text())
    suite["expectations"] += [{"type": kind, "kwargs": kwargs} for kind, kwargs in ASKED]
    (folder / SUITE).write_text(json.dumps(suite, indent=1))
    for words in (
        ("import", "articles.parquet", "--gold", "topic"),
        ("gate", "set", "--reason", "labels change slowly"),
        ("switch", "-c", "work"),
        ("lf", "run"),
        ("label", "fit"),
        ("merge", "work", "--into", "main"),
        ("switch", "main"),
    ):
        if run(*words):
            raise SystemExit(f"datahub {' '.join(words)} failed")


def careless(folder: Path, run: Run) -> Answer:
    """An LF that contradicts all others, and is outvoted so often that few labels flip."""
    _add_lf(folder, CARELESS)
    return _answer(folder, run, "careless", "ci")


def good(folder: Path, run: Run) -> Answer:
    """An LF that knows something."""
    _add_lf(folder, GOOD)
    return _answer(folder, run, "good", "ci")


def not_run(folder: Path, run: Run) -> Answer:
    """A data branch whose labels were made before an LF was edited."""
    run("switch", "-c", "edited")
    _add_lf(folder, GOOD)
    run("lf", "run")
    run("label", "fit")
    text = (folder / LFS).read_text()
    (folder / LFS).write_text(text.replace(*EDITED))
    answer = _answer(folder, run, "not-run", "gate", "run", "edited")
    run("switch", "main")
    return answer


def softer(folder: Path, run: Run) -> Answer:
    """The careless LF, with a suite that lets it pass."""
    _add_lf(folder, CARELESS)
    suite = json.loads((folder / SUITE).read_text())
    for entry in suite["expectations"]:
        if entry["type"] == "expect_lf_conflict_rate_to_be_at_most":
            entry["kwargs"] = {"refuse": 0.9}
    (folder / SUITE).write_text(json.dumps(suite, indent=1))
    return _answer(folder, run, "softer", "ci")


def fork(folder: Path, run: Run) -> Answer:
    """The good LF, from a stranger: it votes on a snapshot, where there is no store and no key."""
    run("fork", "snapshot", str(folder / "snapshot"))
    stranger = folder / "stranger"
    (stranger / LFS).parent.mkdir(parents=True)
    (stranger / LFS).write_text((folder / LFS).read_text())
    (stranger / "datahub.toml").write_text('dataset = "news"\n')
    _add_lf(stranger, GOOD)
    votes, report = folder / "votes", folder / "fork.json"
    run("--project", str(stranger), "fork", "vote", str(folder / "snapshot"), "--out", str(votes))
    code = run("ci", "--votes", str(votes), "--report", str(report))
    _, comment = Hub.fork_comment(report)
    (folder / "fork.md").write_text(comment)
    return Answer(code, comment)


PULL_REQUESTS = (careless, good, not_run, softer, fork)


def walk(folder: Path, run: Run) -> dict[str, Answer]:
    """Open them one after another; each begins from the files as they were before."""
    prepare(folder, run)
    files = [folder / LFS, folder / SUITE]
    before = [path.read_text() for path in files]
    answers = {}
    for pull_request in PULL_REQUESTS:
        answers[pull_request.__name__] = pull_request(folder, run)
        for path, text in zip(files, before, strict=True):
            path.write_text(text)
    return answers


def _add_lf(folder: Path, line: str) -> None:
    path = folder / LFS
    path.write_text(f"{path.read_text()}\n{line}\n")


def _answer(folder: Path, run: Run, name: str, *words: str) -> Answer:
    report = folder / f"{name}.md"
    code = run(*words, "--into", "main", "--report", str(report))
    return Answer(code, report.read_text())


def main() -> None:
    """Walk, and say where the comments are."""
    folder = Path(sys.argv[1]).absolute()
    folder.mkdir(parents=True, exist_ok=True)

    def run(*words: str) -> int:
        command = [sys.executable, "-m", "datahub.cli.app", *words]
        return subprocess.run(command, cwd=folder, stdout=sys.stderr, check=False).returncode

    for name, answer in walk(folder, run).items():
        head = answer.comment.partition("\n")[0].strip("# ")
        sys.stdout.write(f"{name}: exit code {answer.code}, {head}\n")


if __name__ == "__main__":
    main()
