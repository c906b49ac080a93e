"""The annotator's page works for the annotator: walked in Chromium, by keyboard and mouse."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from datahub.core.triage import Task, asking_order
from datahub.hub import Hub
from datahub.hub.registry import adapter
from tests.browser import CONTROL, ENTER, ESCAPE, Browser

if TYPE_CHECKING:
    from datahub.adapters.labelstudio_server import ServerInfo

NINE = tuple(f"class {number}" for number in range(1, 10))
LONG = " ".join(f"word{number}" for number in range(3_500))
CODE = "def f(x):\n    if x:\n        return 1\n" + "    y = x\n" * 5
HEBREW = "שלום עולם.\nשורה שנייה."
HOSTILE = (
    "<script>document.title='run'</script><img src=x onerror=\"document.title='run'\"> "
    "$text {{ 7*7 }} <View><Text name='q' value='$guess'/></View>"
)
Open = Callable[..., Any]


def task(key: int, fields: dict[str, str], *, guess: str | None = "class 1") -> Task:
    return Task(key, f"h{key}", fields, "small margin", "doubt", guess, key / 1000)


def audit(key: int, fields: dict[str, str]) -> Task:
    return Task(key, f"h{key}", fields, "random audit slice", "audit", None, None)


@pytest.fixture(scope="session")
def signed_in(labelstudio: ServerInfo, chromium: Browser) -> Browser:
    """A browser in which the server's account is signed in."""
    chromium.go(f"{labelstudio.url}/user/login/")
    chromium.type("input[name=email]", labelstudio.email)
    chromium.type("input[name=password]", labelstudio.password + ENTER)
    chromium.until(lambda: "login" not in chromium.run("return location.pathname"))
    return chromium


@pytest.fixture
def opened(labelstudio: ServerInfo, signed_in: Browser) -> Open:
    """Push fields of rows to a project of their own, and open the first task; returns the queue."""

    def push(rows: Sequence[dict[str, str]], classes: Sequence[str] = NINE, **more: Any) -> Any:
        queue = queue_on(labelstudio, **more)
        queue.push("b1", [task(key, fields) for key, fields in enumerate(rows)], classes=classes)
        signed_in.resize(1280, 800)
        signed_in.go(queue.where() + "?labeling=1")
        signed_in.until(lambda: len(radios(signed_in)))
        signed_in.until(lambda: "Labeling Instructions" in seen(signed_in))
        return queue

    return push


def queue_on(server: ServerInfo, **more: Any) -> Any:
    make = adapter("review_queue", "label-studio")
    return make(url=server.url, token=server.token, project=f"page {uuid.uuid4().hex[:8]}", **more)


def seen(browser: Browser) -> str:
    return str(browser.run("return document.body.innerText"))


def begin(browser: Browser) -> None:
    """Close the instructions."""
    browser.press(ESCAPE)
    browser.until(lambda: "Labeling Instructions" not in seen(browser))


RADIOS = "return [...document.querySelectorAll('.lsf-choice input')]"


def radios(browser: Browser) -> list[list[Any]]:
    """Type, whether it is chosen, and the lower edge of each choice in pixels."""
    shape = ".map(e => [e.type, e.checked, e.getBoundingClientRect().bottom])"
    found: list[list[Any]] = browser.run(RADIOS + shape)
    return found


def chosen(browser: Browser) -> list[str]:
    names: list[str] = browser.run(RADIOS + ".filter(e => e.checked).map(e => e.name)")
    return names


def choose_by_key(browser: Browser, key: str, name: str) -> None:
    browser.press(key)
    browser.until(lambda: chosen(browser) == [name])


def answers(queue: Any) -> list[str]:
    return [line.label for line in queue.pull(None).annotations]


@pytest.mark.slow
def test_every_digit_picks_its_class_and_the_guess_is_only_told(
    opened: Open, signed_in: Browser
) -> None:
    """Nothing is chosen beforehand, so that the guess's own key picks it as well."""
    queue = opened([{"text": "Short."}] * 2)
    begin(signed_in)

    assert chosen(signed_in) == []
    assert "Guess: class 1" in seen(signed_in)
    for digit, name in enumerate(NINE, start=1):
        choose_by_key(signed_in, str(digit), name)

    choose_by_key(signed_in, "1", "class 1")
    signed_in.press(CONTROL, ENTER)
    assert signed_in.until(lambda: answers(queue)) == ["class 1"]


def test_choices_are_in_view_beside_a_text_of_any_length(opened: Open, signed_in: Browser) -> None:
    """3,500 words, in the two sizes of a window; a mouse answers."""
    queue = opened([{"text": LONG}])
    begin(signed_in)

    for width, height in ((1280, 800), (1024, 700)):
        signed_in.resize(width, height)
        assert {kind for kind, _, _ in radios(signed_in)} == {"radio"}
        assert max(bottom for _, _, bottom in radios(signed_in)) < height - 60
        assert signed_in.run("return document.documentElement.scrollHeight") <= height

    signed_in.click("input[name='class 7']")
    signed_in.until(lambda: chosen(signed_in) == ["class 7"])
    signed_in.press(CONTROL, ENTER)
    assert signed_in.until(lambda: answers(queue)) == ["class 7"]


def test_many_classes_scroll_in_their_pane_and_are_searched(
    opened: Open, signed_in: Browser
) -> None:
    """A letter typed into the search is no hotkey."""
    classes = [f"class number {n}{' of a very long name' * (n % 7)}" for n in range(127)]
    opened([{"text": LONG}], classes)
    begin(signed_in)
    assert signed_in.run("return document.documentElement.scrollHeight") <= 800

    signed_in.type(".dh-side input[type=text]", "number 77")

    visible = RADIOS + ".filter(e => e.getClientRects().length).map(e => e.name)"
    assert signed_in.until(
        lambda: (names := signed_in.run(visible)) and len(names) == 1 and names
    ) == [classes[77]]
    assert chosen(signed_in) == []


def test_code_keeps_its_indentation_and_hebrew_its_direction(
    opened: Open, signed_in: Browser
) -> None:
    opened([{"body": CODE}])
    begin(signed_in)
    line = "[...document.querySelectorAll('.dh-row span')].find(e => e.innerText.includes('if x'))"
    assert signed_in.run(f"return [{line}.innerText, getComputedStyle({line}).whiteSpace]") == [
        "    if x:",
        "pre",
    ]

    opened([{"body": HEBREW}], ["כן", "לא"])
    begin(signed_in)
    left, right, pane = signed_in.run(
        "const e = [...document.querySelectorAll('.dh-row span')].pop();"
        "const r = document.createRange(); r.selectNodeContents(e);"
        "const t = r.getBoundingClientRect(), p = e.getBoundingClientRect();"
        "return [t.left - p.left, p.right - t.right, p.width]"
    )
    assert right < 2 < pane / 2 < left


def test_cells_classes_and_columns_are_shown_and_never_run(
    opened: Open, signed_in: Browser
) -> None:
    """Titles, dates and other columns are told as what they are."""
    row = {"text": HOSTILE, "title": "T <b>", "sent": "2026-11-30 08:15:00+00:00", "<i>$q": HOSTILE}
    opened([row], [HOSTILE, "$text", "{{ x }}"])
    begin(signed_in)

    page = seen(signed_in)
    assert page.count("<script>document.title='run'</script>") >= 3
    assert "$text {{ 7*7 }} <View><Text name='q' value='$guess'/></View>" in page
    assert "sent: 30 November 2026, 08:15 UTC" in page
    assert "T <b>" in page
    assert "<i>$q: " in page
    assert signed_in.run("return document.title") != "run"
    assert signed_in.run("return document.querySelectorAll('.dh-page img, .dh-page b').length") == 0


def test_guidelines_are_told_and_can_do_nothing(opened: Open, signed_in: Browser) -> None:
    told = (
        "# Ham or spam\n\n1. Be *kind*\n\n<script>document.title='run'</script>"
        "<iframe src=x></iframe> ![pic](http://127.0.0.1:9/x.png) [bad](javascript:alert(1))"
    )

    opened([{"text": "Short."}], guidelines=told)

    assert "Ham or spam" in seen(signed_in)
    assert "1. Be kind" in seen(signed_in)
    assert "<script>document.title='run'</script>" in seen(signed_in)
    assert signed_in.run("return document.title") != "run"
    unsafe = "iframe[src=x], img[src*='127.0.0.1:9'], a[href^='javascript']"
    assert signed_in.run("return document.querySelectorAll(arguments[0]).length", unsafe) == 0


def test_audit_rows_cannot_be_told_apart(labelstudio: ServerInfo) -> None:
    """Neither by columns, nor by a task's data, nor by predictions, nor by counting."""
    queue = queue_on(labelstudio)
    tasks = [task(n, {"text": "A."}) for n in range(80)]
    tasks += [audit(n, {"text": "A."}) for n in range(80, 100)]
    queue.push("b1", tasks, classes=NINE)

    posted = posted_tasks(labelstudio, queue.where())
    opaque = {key: kind_of(value) for key, value in posted[0]["data"].items()}
    for known in posted:
        assert {key: kind_of(value) for key, value in known["data"].items()} == opaque
        assert known["predictions"] == []
        assert "audit" not in str(known["data"])
        assert "small margin" not in str(known["data"])
    guesses = [known["data"]["guess"] for known in posted]
    assert guesses.count("No guess") == 40  # of 20 audit rows and as many others
    places = [n for n, known in enumerate(posted) if known["data"]["row_key"] >= 80]
    assert len({b - a for a, b in pairwise(places)}) > 2
    assert [shown for _, shown in queue.open_tasks()] == asking_order(tasks)


def kind_of(value: object) -> object:
    """What can be seen of a value without its key: guesses are counted apart."""
    return (type(value), len(value)) if isinstance(value, str) and len(value) > 99 else type(value)


def posted_tasks(server: ServerInfo, where: str) -> list[dict[str, Any]]:
    """All tasks of a project, as anybody who is signed in can have them."""
    project = re.search(r"/projects/(\d+)/", where)
    assert project is not None
    refresh = {"refresh": server.token}
    with httpx.Client(base_url=str(server.url), trust_env=False, timeout=60) as web:
        token = web.post("/api/token/refresh/", json=refresh).json()["access"]
        web.headers["Authorization"] = f"Bearer {token}"
        asked = {"project": project[1], "page_size": 1000, "fields": "all"}
        tasks: list[dict[str, Any]] = web.get("/api/tasks", params=asked).json()["tasks"]
    return tasks


def test_internal_columns_are_not_in_the_data_manager(
    labelstudio: ServerInfo, signed_in: Browser
) -> None:
    queue = queue_on(labelstudio)
    queue.push("b1", [task(1, {"text": "The text.", "note": "n"})], classes=NINE)

    signed_in.resize(1280, 800)
    signed_in.go(queue.where())
    signed_in.until(lambda: "The text." in seen(signed_in))

    for internal in ("row_hash", "batch", "sealed", "text_field", "slice", "reason", "score"):
        assert internal not in seen(signed_in).lower().split()


def test_guidelines_of_the_project_reach_the_queue(
    project: Path, labelstudio: ServerInfo, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`guidelines.md` at the project's root; what is not UTF-8 is told."""
    (project / "guidelines.md").write_text("Ham is *wanted* mail.", encoding="utf-8")
    monkeypatch.setenv("DATAHUB_QUEUE", "label-studio")
    monkeypatch.setenv("DATAHUB_LABELSTUDIO_URL", str(labelstudio.url))
    monkeypatch.setenv("DATAHUB_LABELSTUDIO_TOKEN", labelstudio.token)
    monkeypatch.setenv("DATAHUB_COLUMN_KINDS", "text=code")
    queue: Any = Hub.open(project).queue()

    queue.push("b1", [task(1, {"text": "The text."})], classes=("ham", "spam"))

    with httpx.Client(base_url=str(labelstudio.url), trust_env=False, timeout=60) as web:
        refresh = {"refresh": labelstudio.token}
        token = web.post("/api/token/refresh/", json=refresh).json()["access"]
        web.headers["Authorization"] = f"Bearer {token}"
        number = re.search(r"/projects/(\d+)/", queue.where())
        assert number is not None
        stored = web.get(f"/api/projects/{number[1]}/").json()
    assert "Ham is <em>wanted</em> mail." in stored["expert_instruction"]
    assert 'className="dh-code"' in stored["label_config"]
    assert stored["show_collab_predictions"] is False
