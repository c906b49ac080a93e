"""One Hub serves many threads, and many Hubs one process: none sees another's work."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from datahub import Hub
from datahub.adapters.prompts_openai import OpenAIPrompts
from datahub.core.prompt_lf import Question
from datahub.hub.parts import HubClosed
from datahub.machine.quiet import SharedState
from tests.chat_server import Said, serving
from tests.integration.conftest import LFS, mail

OWN = "_datahub/"  # what a commit says of itself: its times differ


def project(folder: Path) -> Path:
    """A project with labels on main, and eight branches."""
    with Hub.init(folder, dataset="mail")[0] as hub:
        (folder / "labeling_functions" / "first.py").write_text(LFS)
        mail().write_parquet(folder / "mail.parquet")
        hub.import_rows(folder / "mail.parquet", key="id", gold="kind")
        hub.lf_run()
        hub.label_fit()
        for number in range(8):
            hub.create_branch(f"b{number}")
    return folder


def works(folder: Path) -> list[Callable[[Hub], Any]]:
    """What eight people may do at once, each on a branch of their own."""

    def label(hub: Hub) -> Any:
        hub.import_rows(more(folder, int(hub.branch[1:])), mode="append")
        hub.lf_run()
        return hub.label_fit().statuses

    def judge(hub: Hub) -> Any:
        (folder / f"{hub.branch}.md").write_text("a note")
        hub.commit([f"{hub.branch}.md"], message="Note")
        return hub.gate_run(ungated=True).passed

    def upsert(hub: Hub) -> Any:
        hub.import_rows(folder / "mail.parquet", mode="upsert", gold="kind")
        return hub.status().out_of_date

    def read(hub: Hub) -> Any:
        votes = hub.votes().matrix.tolist()
        rows = sum(frame.height for frame in hub.batches(table="rows", size=7))
        return votes, rows, hub.head(count=5).rows(), hub.lf_stats().coverage

    return [label, judge, read, upsert, label, judge, read, label]


def more(folder: Path, number: int) -> Path:
    """Rows that only one branch has."""
    path = folder / f"more{number}.parquet"
    frame = mail().head(5 + number).with_columns(pl.col("id") + 100 * (number + 1))
    frame.drop("kind").write_parquet(path)
    return path


@pytest.mark.slow
def test_eight_threads_get_what_they_would_get_in_turn(tmp_path: Path) -> None:
    """They read, label, judge, commit and import at once, on one Hub."""
    with Hub.open(project(tmp_path / "in_turn")) as hub:
        jobs = works(tmp_path / "in_turn")
        in_turn = [job(hub.on(f"b{number}")) for number, job in enumerate(jobs)]
        contents = [content(hub, f"b{number}") for number in range(8)]
    with Hub.open(project(tmp_path / "at_once")) as hub, ThreadPoolExecutor(8) as threads:
        jobs = works(tmp_path / "at_once")
        futures = [threads.submit(job, hub.on(f"b{number}")) for number, job in enumerate(jobs)]
        at_once = [future.result() for future in futures]

        assert at_once == in_turn
        assert [content(hub, f"b{number}") for number in range(8)] == contents


def content(hub: Hub, branch: str) -> dict[str, str]:
    """All that a branch holds but what says when it was made."""
    return {path: id for path, id in hub.objects(branch).items() if not path.startswith(OWN)}


WORDS = """
def words():
    return {words}
"""
FIRST = """
from dataclasses import dataclass
from snorkel.labeling import labeling_function
from _words import words
from helpers.numbers import NUMBER

@dataclass
class Limits:
    least: int = NUMBER

@labeling_function()
def said(x):
    from _more import MORE
    return Limits().least if any(word in x.text for word in (*words(), MORE)) else -1
"""


def folder_of_lfs(folder: Path, word: str, number: int) -> Path:
    """A project whose LFs have the names of every other one, and other words."""
    Hub.init(folder, dataset="mail")[0].close()
    lfs = folder / "labeling_functions"
    (lfs / "first.py").write_text("from __future__ import annotations\n" + FIRST)
    (lfs / "_words.py").write_text(WORDS.format(words=[word]))
    (lfs / "_more.py").write_text(f"MORE = 'more {word}'\n")
    (lfs / "helpers").mkdir()
    (lfs / "helpers" / "numbers.py").write_text(f"NUMBER = {number}\n")
    return folder


def test_two_projects_with_modules_of_one_name_do_not_see_each_other(tmp_path: Path) -> None:
    """Loaded at once by eight threads, and called afterwards: nothing of the process changes."""
    folders = [folder_of_lfs(tmp_path / str(n), f"word{n}", n) for n in range(2)]
    before, path, out = set(sys.modules), list(sys.path), sys.stdout
    finders = list(sys.meta_path)
    start = threading.Barrier(8)

    def votes(number: int) -> list[int]:
        with Hub.open(folders[number % 2]) as hub:
            start.wait()
            lf = hub.labeling_functions()[0]
            rows = [pl.DataFrame({"text": [f"more word{n}"]}).row(0, named=True) for n in range(2)]
            return [lf(type("Row", (), row)()) for row in rows]

    with ThreadPoolExecutor(8) as threads:
        assert list(threads.map(votes, range(8))) == [[0, -1], [-1, 1]] * 4

    ours = {name for name in set(sys.modules) - before if "datahub_lfs" in name or "words" in name}
    assert ours == set()
    assert (sys.path, sys.stdout, sys.meta_path) == (path, out, finders)


def test_a_hub_ends_and_says_so(tmp_path: Path) -> None:
    """With its views; twice is once."""
    project(tmp_path / "mail")
    with Hub.open(tmp_path / "mail", lakefs_access_key_id="hush") as hub:
        view = hub.on("b1")
        assert view.head(count=1).height == 1
        assert repr(view) == f"<Hub {str(tmp_path / 'mail')!r} store='embedded' branch='b1'>"
        assert "hush" not in repr(hub)
    hub.close()

    for call in (hub.status, view.log, hub.on("b2").branches, lambda: hub.branch):
        with pytest.raises(HubClosed, match="closed") as caught:
            call()
        assert "Hub.open" in caught.value.hint
    assert "closed" in repr(hub)


def test_progress_and_warnings_go_to_who_asked_and_nothing_is_printed(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each warning comes once; a variable that is nearly a setting's is one."""
    project(tmp_path / "mail")
    monkeypatch.setenv("DATAHUB_BUGDET", "7")
    progress, warnings = list[tuple[str, int, int]](), list[str]()
    lfs = tmp_path / "mail" / "labeling_functions" / "first.py"
    lfs.write_text(
        LFS + '\nfrom datahub import prompt\nask = prompt("ask", "{text}?", answers={"a": 0})\n'
    )

    with Hub.open(
        tmp_path / "mail",
        branch="b0",
        progress=lambda *step: progress.append(step),
        warn=warnings.append,
    ) as hub:
        hub.lf_run()
        hub.lf_run()

    assert any(done == total == 42 for _, done, total in progress)
    assert [warning.partition(" ")[0] for warning in warnings] == [
        "DATAHUB_BUGDET",
        "labeling_functions/first.py:21:",
    ]
    assert capfd.readouterr() == ("", "")


def test_the_end_of_one_prompt_run_does_not_stop_another(tmp_path: Path) -> None:
    """Both ask through one Hub; the shorter one ends first."""
    ends = threading.Event()

    def answer(text: str, before: int) -> Said:
        if text.startswith("long"):
            ends.wait(30)
        return Said("ham")

    with serving(answer) as server:
        prompts = OpenAIPrompts(tmp_path / "log.db", endpoint=server.url, api_key="", parallel=1)
        questions = {
            kind: [Question("small", "", "", f"{kind} {n}", 5) for n in range(count)]
            for kind, count in (("long", 4), ("short", 2))
        }
        with ThreadPoolExecutor(2) as threads:
            long = threads.submit(prompts.ask, "long", questions["long"])
            short = threads.submit(prompts.ask, "short", questions["short"])
            assert [reply.text for reply in short.result()] == ["ham"] * 2
            ends.set()

            assert [(reply.text, reply.problem) for reply in long.result()] == [("ham", "")] * 4


@pytest.fixture
def limit() -> tuple[SharedState, list[int]]:
    """A number of the process that is 2, and 1 for whoever entered."""
    state = [2]

    def begin() -> Callable[[], object]:
        before, state[0] = state[0], 1
        return lambda: state.__setitem__(0, before)

    return SharedState(begin), state


def test_the_last_one_out_restores_what_the_first_one_found(
    limit: tuple[SharedState, list[int]],
) -> None:
    """Two that each save and restore would restore what the other set."""
    shared, state = limit
    first, second = shared.enter(), shared.enter()
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    assert state == [1]  # the second is still at work

    second.__exit__(None, None, None)

    assert state == [2]
