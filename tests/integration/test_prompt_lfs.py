"""Prompts as labeling functions, from the file to the commit: paid once, shown, resumed."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest
from snorkel.labeling import PandasLFApplier

from datahub import Hub
from datahub.core.errors import LabelingFunctionError
from tests.chat_server import ChatServer, Said, serving
from tests.integration.conftest import Datahub, mail

ASKS = """\
from datahub import ABSTAIN, prompt

asks = prompt("asks", "Spam? {text}", answers={"ham": 0, "spam": 1, "unclear": ABSTAIN})
"""
TEXTS = mail()["text"].to_list()


def knows(text: str, before: int) -> Said:
    """What a model would say."""
    return Said("spam" if any(word in text for word in ("WINNER", "FREE", "free")) else "ham")


@pytest.fixture
def server() -> Iterator[ChatServer]:
    with serving(knows) as running:
        yield running


@pytest.fixture
def asking(project: Path, server: ChatServer, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The project with one prompt beside its other LFs, and a model to ask."""
    (project / "labeling_functions" / "asks.py").write_text(ASKS)
    monkeypatch.setenv("DATAHUB_PROMPT_ENDPOINT", server.url)
    monkeypatch.setenv("DATAHUB_PROMPT_MODEL", "small")
    monkeypatch.setenv("DATAHUB_PROMPT_PRICE_INPUT", "2.5")
    monkeypatch.setenv("DATAHUB_PROMPT_PRICE_OUTPUT", "10")
    return project


def test_a_prompt_votes_beside_the_others_and_its_cost_is_shown(
    datahub: Datahub, asking: Path, server: ChatServer
) -> None:
    ran = datahub("lf", "run", "--json").json

    assert server.asked.total() == len(TEXTS)
    by_name = {lf["name"]: kind for lf, kind in zip(ran["table"], ran["kinds"], strict=True)}
    assert by_name["asks"] == "prompt"
    cost = (10 * 2.5 + 2 * 10) * len(TEXTS) / 1e6
    assert ran["spent"] == {
        "requests": 42,
        "answered": 42,
        "reused": 0,
        "prompt_tokens": 420,
        "completion_tokens": 84,
        "cost": pytest.approx(cost),
    }
    stats = datahub("lf", "stats").out
    assert (
        "kinds: prompt (asks); keywords (offer, thanks); regex (link); snorkel (shouting, short)"
        in stats
    )


def test_what_was_asked_is_not_asked_again(
    datahub: Datahub, asking: Path, server: ChatServer
) -> None:
    """Not after a sample, not by votes that are there, not after the votes are gone."""
    assert datahub("lf", "run", "--sample", "10").code == 0
    assert server.asked.total() == 10
    ran = datahub("lf", "run")
    assert "prompts: 32 requests, 32 answers, 10 kept ones" in ran.out, ran.err

    unchanged = datahub("lf", "run")
    lfs = asking / "labeling_functions" / "asks.py"
    lfs.write_text(ASKS.replace('"unclear": ABSTAIN', '"maybe": ABSTAIN'))
    other_demand = datahub("lf", "run")

    assert "prompts:" not in unchanged.out
    assert "prompts: 42 requests" in other_demand.out
    assert max(server.asked.values()) == 2


def test_prompts_are_asked_by_the_parent_when_others_run_on_workers(
    datahub: Datahub, asking: Path, server: ChatServer
) -> None:
    ran = datahub("lf", "run", "--jobs", "2")

    assert ran.code == 0, ran.err
    assert "prompts: 42 requests" in ran.out
    assert max(server.asked.values()) == 1


def test_a_limit_stops_before_more_is_spent_and_nothing_is_lost(
    datahub: Datahub, asking: Path, server: ChatServer
) -> None:
    stopped = datahub("lf", "run", "--max-requests", "15")

    assert (stopped.code, server.asked.total()) == (7, 15)
    assert "error[limit_reached]" in stopped.err
    assert "lf run" not in datahub("log").out
    assert "prompts: 27 requests, 27 answers, 15 kept" in datahub("lf", "run").out
    assert max(server.asked.values()) == 1


def test_failed_questions_are_asked_again_and_the_others_are_not(
    datahub: Datahub, asking: Path, server: ChatServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fault of the endpoint is not for ever, though the votes of its part are there."""
    monkeypatch.setenv("DATAHUB_MAX_FAULT_SHARE", "0.2")
    bad = TEXTS[3]
    server.answer = lambda text, before: (
        Said(status=400) if text.endswith(bad) else knows(text, before)
    )

    first = datahub("lf", "run", "--json").json
    server.answer = knows
    second = datahub("lf", "run", "--json").json

    assert (sum(first["fault_counts"]), sum(second["fault_counts"])) == (1, 0)
    assert second["spent"]["requests"] == 1
    assert first["faults"][0]["error"] == "HTTP 400: not now"


def test_faults_above_the_share_refuse_the_run(
    datahub: Datahub, asking: Path, server: ChatServer
) -> None:
    server.answer = lambda text, before: Said("I would say spam")

    ran = datahub("lf", "run")

    assert ran.code == 2
    assert "LF 'asks' raised on 42 of 42 rows" in ran.err
    assert "none of those allowed: 'I would say spam'" in ran.err


@pytest.mark.slow
def test_a_killed_run_goes_on_without_asking_again(
    asking: Path, server: ChatServer, datahub: Datahub
) -> None:
    """SIGKILL while the eleventh question is out: the ten answers are there."""
    out, over = threading.Event(), threading.Event()

    def until_killed(text: str, before: int) -> Said:
        if len(server.asked) == 11 and not out.is_set():
            out.set()
            over.wait(120)
        return knows(text, before)

    server.answer = until_killed
    running = subprocess.Popen(
        [sys.executable, "-m", "datahub.cli.app", "lf", "run"],
        cwd=asking,
        env={**os.environ, "DATAHUB_PROMPT_PARALLEL": "1"},
        stdout=subprocess.DEVNULL,
    )
    assert out.wait(120)
    running.kill()
    running.wait()
    over.set()
    asked_before = set(server.asked)

    ran = datahub("lf", "run")

    assert "prompts: 32 requests, 32 answers, 10 kept ones" in ran.out, ran.err
    assert len(asked_before) == 11
    assert sorted(server.asked.values()) == [1] * 41 + [2]


def test_the_fingerprint_is_the_question_and_not_the_address(
    asking: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fingerprint(text: str = ASKS) -> str:
        (asking / "labeling_functions" / "asks.py").write_text(text)
        found = {one.name: one for one in Hub.open(asking).lf_source.discover()}
        assert found["asks"].safe
        return found["asks"].fingerprint

    first = fingerprint()
    monkeypatch.setenv("DATAHUB_PROMPT_ENDPOINT", "http://elsewhere.example/v1")
    moved = fingerprint("# a comment\n" + ASKS)
    others = [
        fingerprint(ASKS.replace("Spam? {text}", "Spam?? {text}")),
        fingerprint(ASKS.replace('"spam": 1', '"spam": 0')),
        fingerprint(ASKS.replace("ABSTAIN})", 'ABSTAIN}, endpoint="http://x.example/v1")')),
        fingerprint(ASKS.replace("ABSTAIN})", "ABSTAIN}, max_tokens=3)")),
    ]
    monkeypatch.setenv("DATAHUB_PROMPT_MODEL", "large")
    others.append(fingerprint())

    assert moved == first
    assert len({first, *others}) == 6


def test_a_prompt_without_model_or_endpoint_says_what_is_missing(
    datahub: Datahub, asking: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DATAHUB_PROMPT_ENDPOINT")
    no_endpoint = datahub("lf", "run")
    monkeypatch.delenv("DATAHUB_PROMPT_MODEL")
    no_model = datahub("lf", "run")

    assert (no_endpoint.code, no_model.code) == (0, 0)  # others vote without it
    assert "DATAHUB_PROMPT_ENDPOINT" in no_endpoint.err
    assert "prompt_model" in no_model.err


def test_snorkels_applier_takes_the_projects_prompts(asking: Path, server: ChatServer) -> None:
    (lf,) = [lf for lf in Hub.open(asking).labeling_functions() if lf.name == "asks"]

    votes = PandasLFApplier([lf]).apply(pd.DataFrame({"text": TEXTS[:2]}), progress_bar=False)

    assert votes.ravel().tolist() == [1, 1]


def test_a_prompt_by_itself_says_where_to_get_one_that_can_ask() -> None:
    from datahub import prompt

    lf = prompt("asks", "{text}", answers={"ham": 0})

    with pytest.raises(LabelingFunctionError, match="nobody to ask") as error:
        lf(SimpleNamespace(text="x"))
    assert "Hub.open().labeling_functions()" in error.value.hint


NAMES = ASKS.replace('{"ham": 0, "spam": 1, "unclear": ABSTAIN}', '["ham", "spam"]')
LEARNED = """\

from sklearn.feature_extraction.text import CountVectorizer
from sklearn.naive_bayes import MultinomialNB
from sklearn.pipeline import make_pipeline

from datahub import model

fitted = make_pipeline(CountVectorizer(), MultinomialNB())
fitted.fit(["free winner", "lunch at home"], ["spam", "ham"])
learned = model("learned", fitted, threshold=0.6)
"""


@pytest.mark.slow
@pytest.mark.parametrize("jobs", ["1", "2"])
def test_models_and_prompts_vote_by_the_names_of_classes(
    datahub: Datahub, asking: Path, jobs: str
) -> None:
    """Here, on workers, in a try, under Snorkel; and nothing is out of date afterwards."""
    (asking / "labeling_functions" / "asks.py").write_text(NAMES + LEARNED)

    ran = datahub("lf", "run", "--jobs", jobs, "--json").json

    polarity = {lf["name"]: lf["polarity"] for lf in ran["table"]}
    assert polarity["asks"] == polarity["learned"] == [0, 1]
    assert "edited" not in datahub("status").out
    again = datahub("lf", "run", "--jobs", jobs, "--json").json
    assert again["reuse"]["ran"]["learned"] == again["reuse"]["ran"]["asks"] == 0
    tried = datahub("lf", "test", "learned", "--json").json
    assert set(tried["votes"]) == {"ham", "spam"}
    lfs = [lf for lf in Hub.open().labeling_functions() if lf.name in ("asks", "learned")]
    theirs = PandasLFApplier(lfs).apply(mail().to_pandas(), progress_bar=False)
    ours = Hub.open().votes()
    columns = [ours.lfs.index(lf.name) for lf in lfs]
    assert (ours.matrix[:, columns] == theirs).all()


def test_a_name_that_is_no_class_is_said_by_status_and_by_the_run(
    datahub: Datahub, asking: Path
) -> None:
    assert datahub("lf", "run").code == 0
    (asking / "labeling_functions" / "asks.py").write_text(NAMES.replace('"spam"', '"spma"'))

    assert "votes 'spma', which is not a class" in datahub("status").out
    ran = datahub("lf", "run")
    assert ran.code == 2
    assert "The classes are ham, spam." in ran.err


def test_a_try_keeps_to_a_limit_and_shows_what_it_cost(
    datahub: Datahub, asking: Path, server: ChatServer
) -> None:
    """`lf test` of a prompt costs money as a run does."""
    within = datahub("lf", "test", "asks", "--sample", "5", "--max-requests", "5")
    assert within.code == 0, within.err
    assert "prompts: 5 requests, 5 answers" in within.out

    over = datahub("lf", "test", "asks", "--sample", "40", "--max-cost", "0.0001")
    assert over.code == 7
    assert "0.0001" in over.err
    assert server.asked.total() < 40
