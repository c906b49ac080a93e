"""One rule for what leaves the machine, attacked by every way out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from datahub import Hub
from datahub.core.errors import ConfigError
from datahub.core.leaving import Leaving
from datahub.core.shown import hash_of
from datahub.flow.review.asking import Asking
from datahub.flow.review.push import PushReport, push
from tests.chat_server import ChatServer, Said, serving
from tests.integration.conftest import LFS, Datahub, mail

PROMPTS = """
from datahub import prompt

asks = prompt("asks", "Spam? {text}", answers=["ham", "spam"])
"""
RULE = '\n[leaves]\ncolumns = ["text", "id"]\n'


@pytest.fixture
def server() -> Iterator[ChatServer]:
    with serving(lambda text, before: Said("ham")) as running:
        yield running


@pytest.fixture
def mails(
    datahub: Datahub, tmp_path: Path, server: ChatServer, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """Messages with a column that is nobody's to see, a prompt, and both endpoints."""
    assert datahub("init", "--dataset", "mail").code == 0
    rows = mail().with_columns(email=pl.format("p{}@secret.example", "id"))
    rows.write_parquet("rows.parquet")
    folder = tmp_path / "labeling_functions"
    (folder / "first.py").write_text(LFS)
    (folder / "asks.py").write_text(PROMPTS)
    monkeypatch.setenv("DATAHUB_PROMPT_ENDPOINT", server.url)
    monkeypatch.setenv("DATAHUB_PROMPT_MODEL", "small")
    words = ("import", "rows.parquet", "--key", "id", "--gold", "kind", "--text", "text")
    ran = datahub(*words)
    assert ran.code == 0, ran.err
    return tmp_path


def rule(folder: Path, text: str = RULE) -> None:
    with (folder / "datahub.toml").open("a") as settings:
        settings.write(text)


def sent(server: ChatServer) -> str:
    return " ".join(map(str, server.asked))


def test_a_prompt_asks_about_listed_columns_alone(
    datahub: Datahub, mails: Path, server: ChatServer
) -> None:
    rule(mails)
    assert datahub("lf", "run").code == 0
    assert server.asked.total() == mail().height
    asked = server.asked.total()
    edited = PROMPTS.replace("{text}", "{text} from {email}")
    (mails / "labeling_functions" / "asks.py").write_text(edited)

    for words in (["lf", "run"], ["lf", "run", "--sample", "5"], ["lf", "test", "asks"]):
        ran = datahub(*words)
        assert ran.code == 2, ran.out
        assert "The prompt 'asks' would send 'email'" in ran.err
        assert "[leaves] columns" in ran.err
    lfs = {lf.name: lf for lf in Hub.open(mails).labeling_functions()}
    with pytest.raises(ConfigError, match="would send 'email'"):
        lfs["asks"](replace_row(email="a@b"))  # one row, as Snorkel's applier does

    assert server.asked.total() == asked
    assert "secret" not in sent(server)


def replace_row(**values: str) -> object:
    from types import SimpleNamespace

    return SimpleNamespace(text="hello", **values)


def test_an_endpoint_gets_no_other_column(datahub: Datahub, mails: Path) -> None:
    """The address would refuse the connection: nothing comes as far as that."""
    rule(mails)
    settings: dict[str, Any] = {"embed_endpoint": "http://127.0.0.1:9/v1", "embed_model": "m"}
    hub = Hub.open(mails, **settings)

    for call in (hub.embed, hub.embed_plan):
        with pytest.raises(ConfigError, match="would send 'email'"):
            call(column="email")
    assert hub.embed_plan(column="text").destination


def asking(folder: Path, leaving: Leaving) -> Asking:
    """As a queue elsewhere is asked, in a queue of this folder that tests can read."""
    hub = Hub.open(folder)
    return replace(hub._asking(hub.step(), None), leaving=leaving)


def asked(folder: Path, leaving: Leaving) -> PushReport:
    return push(asking(folder, leaving), budget=5, seed=0, audit_share=0.2)


@pytest.fixture
def fitted(datahub: Datahub, mails: Path) -> Path:
    (mails / "labeling_functions" / "asks.py").unlink()
    for words in (["lf", "run"], ["label", "fit"]):
        assert datahub(*words).code == 0
    return mails


def test_tasks_show_listed_columns_and_hash_no_other(fitted: Path) -> None:
    """A hash of few possible values would tell them."""
    asked(fitted, Leaving(("text", "id")))

    hub = Hub.open(fitted)
    tasks = [task for _, task in hub.review_open()]
    assert len(tasks) == 5
    for task in tasks:
        assert set(task.fields) == {"text", "id"}
        row = hub.at("mail").content([task.key])[task.key]
        assert task.row_hash == hash_of(row, ("id", "text"))
        assert "secret" not in str(task.plain())
    gold = hub.gold()
    hub.review_answer([(i, gold[task.key]) for i, task in hub.review_open()], annotator="ann")
    assert hub.review_pull().annotations == 5  # answers count: they saw what they saw


@pytest.mark.parametrize(
    ("columns", "says"), [(("text",), "would send 'id'"), (("id",), "'text'"), ((), "'id'")]
)
def test_a_task_needs_its_key_and_something_to_show(
    fitted: Path, columns: tuple[str, ...], says: str
) -> None:
    """The key names the row: without it no answer finds its way back."""
    if columns == ("id",):  # a key alone is something to show
        asked(fitted, Leaving(columns))
        assert all(set(task.fields) == {"id"} for _, task in Hub.open(fitted).review_open())
        return
    with pytest.raises(ConfigError, match=says):
        asked(fitted, Leaving(columns))
    assert Hub.open(fitted).review_open() == []


@pytest.mark.parametrize("state", ["gone", "intent"])
def test_a_task_of_before_the_rule_is_not_posted_again_as_it_was(fitted: Path, state: str) -> None:
    """Its batch in the history has columns that may no longer leave."""
    asked(fitted, Leaving())
    before = {task.key: task for _, task in Hub.open(fitted).review_open()}
    assert all("email" in task.fields for task in before.values())
    narrow = asking(fitted, Leaving(("text", "id")))
    narrow.catalog.record_entries([replace(e, state=state) for e in narrow.ledger()])

    report = push(narrow, budget=1, seed=0, audit_share=0.0)

    assert report.asked_again == 5
    newest = Hub.open(fitted).at("mail").batches
    (again,) = [batch for batch in newest if batch.id.endswith("-again")]
    assert {task.key for task in again.tasks} == set(before)
    assert all(set(task.fields) == {"text", "id"} for task in again.tasks)


def test_a_dry_run_tells_every_way_and_sends_nothing(
    datahub: Datahub, mails: Path, server: ChatServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATAHUB_EMBED_ENDPOINT", "http://127.0.0.1:9/v1")
    monkeypatch.setenv("DATAHUB_QUEUE", "label-studio")
    monkeypatch.setenv("DATAHUB_LABELSTUDIO_URL", "http://127.0.0.1:9")
    without = datahub("leaves", "--json").json
    rule(mails, '\n[leaves]\ncolumns = ["text", "id", "old_name"]\n')

    report, text = datahub("leaves", "--json").json, datahub("leaves").out

    assert without["rule"] is None
    assert all(way["withheld"] == [] for way in without["departures"])
    assert report["unknown"] == ["old_name"]
    ways = {way["way"]: way for way in report["departures"]}
    assert ways["prompt"]["destination"] == server.url
    assert (ways["prompt"]["columns"], ways["prompt"]["refused"]) == (["text"], False)
    assert ways["embed"]["columns"] == ["text"]
    assert ways["review"]["withheld"] == ["email"]
    assert set(ways["review"]["example"]) == {"id", "text"}
    assert "secret" not in str(report)
    assert "secret" not in text
    assert server.asked.total() == 0


def test_a_renamed_column_is_another_one(datahub: Datahub, mails: Path) -> None:
    """The rule goes by the names that rows have now."""
    rule(mails, '\n[leaves]\ncolumns = ["body", "id"]\n')

    (way,) = datahub("leaves", "--json").json["departures"]

    assert (way["refused"], way["withheld"], way["example"]) == (True, ["text"], {})
    assert datahub("lf", "run").code == 2


@pytest.mark.parametrize("name", ["a,b", " text", "", "*"])
def test_a_name_that_would_be_read_as_another_is_refused(
    datahub: Datahub, mails: Path, name: str
) -> None:
    rule(mails, f'\n[leaves]\ncolumns = ["id", "{name}"]\n')

    ran = datahub("status")

    assert ran.code == 2
    assert "[leaves] columns names" in ran.err
