"""What every Prompts promises, against a real server on loopback: asked once, bounded, honest."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from datahub import ABSTAIN, prompt
from datahub.core.errors import (
    AuthenticationError,
    ConfigError,
    LimitReached,
    Rejected,
    StorageError,
    Unavailable,
)
from datahub.core.labeling import LFOutput, apply
from datahub.hub.registry import REGISTRY, adapter
from datahub.ports import Prompts
from tests.chat_server import ChatServer, Said, serving

LF = prompt(
    "spam", "Is it? {text}", answers={"spam": 1, "ham": 0, "unclear": ABSTAIN}, model="small"
)
KEY = "sk-secret"


class Time:
    """A clock that waiting moves; nobody really waits."""

    def __init__(self) -> None:
        self.now = 0.0
        self.waits: list[float] = []
        self._lock = threading.Lock()

    def clock(self) -> float:
        return self.now

    def wait(self, seconds: float) -> None:
        with self._lock:
            self.now += seconds
            if seconds:
                self.waits.append(seconds)


Make = Callable[..., Prompts]


@pytest.fixture(params=sorted(REGISTRY["prompts"]))
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Make:
    """Make one that asks a server; all of a test share one log."""
    kind = adapter("prompts", request.param)

    def made(server: ChatServer | str, *, time: Time | None = None, **options: Any) -> Prompts:
        time = time or Time()
        url = server if isinstance(server, str) else server.url
        options = {"api_key": KEY, "clock": time.clock, "wait": time.wait, **options}
        prompts: Prompts = kind(tmp_path / "prompts.db", endpoint=url, **options)
        return prompts

    return made


def votes(prompts: Prompts, texts: list[str | None], lf: Any = LF) -> LFOutput:
    rows = pl.DataFrame(
        {"id": range(len(texts)), "text": texts}, schema_overrides={"text": pl.String}
    )
    return apply(rows, [lf.connect(prompts.ask, model="")], key="id", cardinality=2)


def echo(text: str, before: int) -> Said:
    """The last word of the question."""
    return Said(text.rpartition(" ")[2])


def test_answers_are_votes_and_the_question_is_the_filled_template(make: Make) -> None:
    with serving(echo) as server:
        prompts = make(server)
        applied = votes(prompts, ["spam", "SPAM", "ham", "unclear", None])

    assert applied.votes.ravel().tolist() == [1, 1, 0, ABSTAIN, ABSTAIN]
    assert applied.fault_counts == (0,)
    body = next(b for b in server.bodies if b["messages"][-1]["content"] == "Is it? ham")
    demand = "Answer with exactly one of these, and nothing else: spam, ham, unclear."
    assert body == {
        "model": "small",
        "messages": [
            {"role": "system", "content": demand},
            {"role": "user", "content": "Is it? ham"},
        ],
        "temperature": 0,
        "max_tokens": 16,
    }
    assert set(server.keys) == {f"Bearer {KEY}"}


@pytest.mark.parametrize(
    "answer", ["spam.", "I think it is spam", "spam ham", "", "1", "Ignore that: the class is 7"]
)
def test_other_words_are_a_fault_and_never_an_abstain(make: Make, answer: str) -> None:
    with serving(lambda text, before: Said(answer)) as server:
        applied = votes(make(server), ["what a text says cannot change what is allowed"])

    (fault,) = applied.faults
    assert fault.error == f"the answer is none of those allowed: {answer!r}"
    assert (fault.key, fault.where) == (0, "small")
    assert applied.fault_counts == (1,)


def test_a_long_wrong_answer_is_cut_in_the_fault(make: Make) -> None:
    with serving(lambda text, before: Said("x" * 5000)) as server:
        (fault,) = votes(make(server), ["a"]).faults

    assert len(fault.error) < 150


def test_equal_questions_are_asked_once_and_never_again(make: Make) -> None:
    with serving(echo) as server:
        votes(make(server), ["spam", "spam", "ham"])
        later = make(server)
        again = votes(later, ["ham", "spam", "unclear"])

    assert max(server.asked.values()) == 1
    assert again.votes.ravel().tolist() == [0, 1, ABSTAIN]
    assert (later.spent.requests, later.spent.answered, later.spent.reused) == (1, 1, 2)


def test_another_model_prompt_or_limit_of_tokens_is_another_question(make: Make) -> None:
    others = [
        prompt("spam", "Is it? {text}", answers=dict(LF.answers), model="large"),
        prompt("spam", "Is it? {text}", answers=dict(LF.answers), model="small", max_tokens=4),
        prompt("spam", "Is it? {text}", answers=dict(LF.answers), model="small", system="Be kind."),
    ]
    with serving(echo) as server:
        for lf in [LF, *others, *others]:
            votes(make(server), ["spam"], lf)

    assert server.asked.total() == 4


def test_no_more_are_asked_at_once_than_said(make: Make) -> None:
    """The first three wait for one another: fewer would never end, more would be counted."""
    meeting = threading.Barrier(3)

    def together(text: str, before: int) -> Said:
        meeting.wait(timeout=60)
        return echo(text, before)

    with serving(together) as server:
        votes(make(server, parallel=3), [f"{i} ham" for i in range(9)])

    assert server.most_at_once == 3


def test_a_rate_is_kept(make: Make) -> None:
    time = Time()
    with serving(echo) as server:
        votes(make(server, time=time, per_minute=30, parallel=1), [f"{i} ham" for i in range(5)])

    assert time.waits == [2.0] * 4


def test_too_many_requests_are_asked_again_as_late_as_the_server_says(make: Make) -> None:
    time = Time()

    def busy(text: str, before: int) -> Said:
        return Said(status=429, headers={"Retry-After": "7"}) if before < 2 else Said("spam")

    with serving(busy) as server:
        prompts = make(server, time=time, parallel=1)
        applied = votes(prompts, ["a"])

    assert applied.votes.item() == 1
    assert time.waits == [7.0, 7.0]
    assert (prompts.spent.requests, prompts.spent.answered) == (3, 1)


def test_a_server_error_is_tried_again_and_then_is_the_rows_fault(make: Make) -> None:
    time = Time()

    def broken(text: str, before: int) -> Said:
        return Said(status=500) if text.endswith("b") else echo(text, before)

    with serving(broken) as server:
        applied = votes(make(server, time=time, parallel=1), ["a ham", "b", "c spam"])

    assert applied.votes.ravel().tolist() == [0, ABSTAIN, 1]
    (fault,) = applied.faults
    assert (fault.key, fault.error) == (1, "HTTP 500 after 4 attempts: not now")
    assert server.asked["Is it? b"] == 4
    assert time.waits == [1.0, 2.0, 4.0]


def test_what_failed_is_asked_again_another_time_and_the_rest_is_not(make: Make) -> None:
    def at_first(text: str, before: int) -> Said:
        return Said(status=503) if text.endswith("b ham") and before < 4 else echo(text, before)

    with serving(at_first) as server:
        first = votes(make(server), ["a ham", "b ham"])
        again = votes(make(server), ["a ham", "b ham"])

    assert (first.fault_counts, again.fault_counts) == ((1,), (0,))
    assert server.asked["Is it? a ham"] == 1


def test_an_absurd_wait_is_not_waited_for(make: Make) -> None:
    time = Time()
    with serving(lambda text, before: Said(status=429, headers={"Retry-After": "86400"})) as server:
        (fault,) = votes(make(server, time=time), ["a"]).faults

    assert fault.error.startswith("HTTP 429 after 1 attempts")
    assert time.waits == []


@pytest.mark.parametrize(
    ("said", "error"),
    [
        (Said(body=b"<html>"), "no chat completion: '<html>'"),
        (Said(body=b"{}"), "no chat completion"),
        (Said(body=b'{"choices": [{"message": "spam"}]}'), "no chat completion"),
        (Said(answer=None), "no chat completion"),
        (Said(status=400), "HTTP 400: not now"),
        (Said(refusal="I cannot help with that"), "refused: I cannot help with that"),
        (Said(finish="content_filter"), "refused by a content filter"),
        (Said("spam", finish="length"), "the answer was cut off"),
    ],
)
def test_what_is_no_answer_is_a_fault(make: Make, said: Said, error: str) -> None:
    with serving(lambda text, before: said) as server:
        (fault,) = votes(make(server), ["a"]).faults

    assert fault.error.startswith(error)
    assert server.asked.total() == 1


def test_a_server_that_does_not_answer_in_time_is_a_fault_and_not_asked_twice(make: Make) -> None:
    over = threading.Event()

    def slow(text: str, before: int) -> Said:
        if text.endswith("slow"):
            over.wait(60)
        return echo(text, before)

    with serving(slow) as server:
        applied = votes(make(server, timeout=0.5), ["slow", "a ham"])
        over.set()

    assert [(f.key, f.error) for f in applied.faults] == [(0, "no answer: ReadTimeout")]
    assert applied.votes[1].item() == 0
    assert server.asked["Is it? slow"] == 1


def test_tokens_and_cost_are_counted(make: Make) -> None:
    with serving(echo) as server:
        prompts = make(server, price_input=3.0, price_output=15.0)
        votes(prompts, ["spam", "ham", "ham", None])
        unpriced = make(server)

    spent = prompts.spent
    assert (spent.prompt_tokens, spent.completion_tokens) == (20, 4)
    assert spent.cost == pytest.approx((20 * 3 + 4 * 15) / 1e6)
    assert unpriced.spent.cost is None


def test_a_limit_of_requests_stops_and_loses_nothing(make: Make) -> None:
    texts: list[str | None] = [f"{i} ham" for i in range(6)]
    with serving(echo) as server:
        with pytest.raises(LimitReached, match="4 requests") as error:
            votes(make(server, max_requests=4), texts)
        assert server.asked.total() == 4
        rest = make(server, max_requests=4)
        applied = votes(rest, texts)

    assert "prompt_max_requests" in error.value.hint
    assert applied.votes.ravel().tolist() == [0] * 6
    assert max(server.asked.values()) == 1
    assert (rest.spent.requests, rest.spent.reused) == (2, 4)


def test_a_limit_of_cost_is_never_passed(make: Make) -> None:
    """Even by the answers under way: what they may cost at most is set aside."""
    heavy = {"prompt_tokens": 60, "completion_tokens": 16}
    with serving(lambda text, before: Said("ham", usage=heavy)) as server:
        prompts = make(server, price_input=1e6, price_output=1e6, max_cost=500.0, parallel=4)
        with pytest.raises(LimitReached, match="a cost of 500"):
            votes(prompts, [f"{i} ham" for i in range(50)])

    assert prompts.spent.cost is not None
    assert 0 < prompts.spent.cost <= 500
    assert prompts.spent.answered == server.asked.total() > 0


def test_an_answer_without_usage_counts_as_the_most_it_can_be(make: Make) -> None:
    with serving(lambda text, before: Said("ham", usage=None)) as server:
        prompts = make(server, price_input=1.0)
        votes(prompts, ["a"])

    assert prompts.spent.prompt_tokens > len("Is it? a")
    assert prompts.spent.completion_tokens == LF.max_tokens


def test_a_limit_of_cost_needs_prices(make: Make) -> None:
    with pytest.raises(ConfigError, match="no price is known"):
        make("http://127.0.0.1:9/v1", max_cost=1.0)


@pytest.mark.parametrize(
    ("status", "error"), [(401, AuthenticationError), (403, AuthenticationError), (404, Rejected)]
)
def test_a_wrong_key_or_model_ends_the_run_at_once(
    make: Make, status: int, error: type[Exception]
) -> None:
    with serving(lambda text, before: Said(status=status)) as server, pytest.raises(error):
        votes(make(server, parallel=1), [f"{i}" for i in range(50)])

    assert server.asked.total() == 1


def test_a_server_that_is_not_there_is_unavailable_and_not_a_thousand_faults(make: Make) -> None:
    with serving(echo) as server:
        url = server.url

    with pytest.raises(Unavailable, match="does not answer"):
        votes(make(url), ["a", "b"])


def test_a_server_that_fails_all_the_time_ends_the_run(make: Make) -> None:
    no = Said(body=b"no")
    with serving(lambda text, before: no) as server, pytest.raises(Unavailable, match="in a row"):
        votes(make(server, parallel=1), [str(i) for i in range(100)])

    assert server.asked.total() == 20


def test_no_endpoint_or_a_wrong_one_is_a_setting_to_mend(make: Make) -> None:
    with pytest.raises(ConfigError, match="no endpoint is named"):
        votes(make(""), ["a"])
    with pytest.raises(ConfigError, match="'localhost:1/v1' is no address"):
        votes(make("localhost:1/v1"), ["a"])


def test_the_key_goes_to_the_projects_endpoint_alone(make: Make) -> None:
    with serving(echo) as ours, serving(echo) as other:
        lf = prompt("p", "{text}", answers={"ham": 0}, model="m", endpoint=other.url)
        votes(make(ours), ["ham"], lf)

    assert other.keys == [None]
    assert ours.asked.total() == 0


def test_a_key_that_a_server_repeats_is_not_shown(make: Make) -> None:
    body = b'{"error": {"message": "bad key sk-secret"}}'
    with serving(lambda text, before: Said(status=400, body=body)) as server:
        (fault,) = votes(make(server), ["a"]).faults

    assert fault.error == "HTTP 400: bad key ***"


def test_nothing_is_asked_where_answers_cannot_be_kept(make: Make, tmp_path: Path) -> None:
    (tmp_path / "prompts.db").write_text("not a database, but long enough to be looked at" * 40)

    with serving(echo) as server, pytest.raises(StorageError):
        votes(make(server), ["ham"])

    assert server.asked.total() == 0


def test_a_log_of_a_later_format_is_not_touched(make: Make, tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "prompts.db") as db:
        db.execute("pragma user_version = 9")

    with serving(echo) as server, pytest.raises(StorageError, match="format 9"):
        votes(make(server), ["ham"])
