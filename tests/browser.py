"""A headless Chromium, driven through chromedriver's W3C WebDriver protocol."""

from __future__ import annotations

import base64
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import httpx

T = TypeVar("T")
SECONDS = 60.0  # a busy machine is slow, and not wrong
ELEMENT = "element-6066-11e4-a52e-4f735466cecf"
CONTROL, ENTER, SPACE, ESCAPE = "\ue009", "\ue007", " ", "\ue00c"


def missing() -> str:
    """Why no browser can be started; empty if one can."""
    for program in ("chromium", "chromedriver"):
        if shutil.which(program) is None:
            return f"there is no {program} on the PATH"
    return ""


class Browser:
    """One window. Calls raise httpx.HTTPStatusError with what chromedriver said."""

    def __init__(self, web: httpx.Client, session: str) -> None:
        self._web = web
        self._session = f"/session/{session}"

    def call(self, method: str, path: str, **body: Any) -> Any:
        """One command of the protocol."""
        answer = self._web.request(
            method, self._session + path, json=body if method == "POST" else None
        )
        if answer.is_error:
            raise httpx.HTTPStatusError(answer.text, request=answer.request, response=answer)
        return answer.json()["value"]

    def go(self, url: str) -> None:
        """Open a page."""
        self.call("POST", "/url", url=url)

    def run(self, script: str, *arguments: Any) -> Any:
        """What a script returns."""
        return self.call("POST", "/execute/sync", script=script, args=list(arguments))

    def press(self, *keys: str) -> None:
        """Press keys together, where the focus is."""
        down = [{"type": "keyDown", "value": key} for key in keys]
        up = [{"type": "keyUp", "value": key} for key in reversed(keys)]
        self.call("POST", "/actions", actions=[{"type": "key", "id": "k", "actions": down + up}])

    def click(self, css: str) -> None:
        """Click the first such element that can be seen, as a mouse does."""
        found = self.until(lambda: self.run(_SEEN, css))
        self.call("POST", f"/element/{found[ELEMENT]}/click")

    def type(self, css: str, text: str) -> None:
        """Click into a field and type."""
        self.click(css)
        found = self.run(_SEEN, css)
        self.call("POST", f"/element/{found[ELEMENT]}/value", text=text)

    def resize(self, width: int, height: int) -> None:
        """Give the page this room."""
        shape = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self.call(
            "POST", "/goog/cdp/execute", cmd="Emulation.setDeviceMetricsOverride", params=shape
        )

    def shoot(self, path: Path) -> None:
        """Keep what can be seen as a PNG."""
        path.write_bytes(base64.b64decode(self.call("GET", "/screenshot")))

    def until(self, ask: Callable[[], T]) -> T:
        """Ask until the answer is not empty. Raises AssertionError."""
        end = time.monotonic() + SECONDS
        while time.monotonic() < end:
            if answer := ask():
                return answer
            time.sleep(0.05)
        page = self.run("return document.body.innerText")
        raise AssertionError(f"did not come; the page says:\n{page[:3000]}")


_SEEN = """return [...document.querySelectorAll(arguments[0])].find(
    e => e.getClientRects().length > 0) || null"""


@contextmanager
def running() -> Iterator[Browser]:
    """A browser of our own with a fresh profile; it ends with the block."""
    with tempfile.TemporaryDirectory() as profile:
        driver = subprocess.Popen(
            ["chromedriver", "--port=0"],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        try:
            with httpx.Client(base_url=_address(driver), timeout=120, trust_env=False) as web:
                yield from _window(web, profile)
        finally:
            driver.terminate()
            driver.wait()


def _window(web: httpx.Client, profile: str) -> Iterator[Browser]:
    arguments = ["--headless=new", "--no-sandbox", "--disable-gpu", "--window-size=1280,800"]
    arguments += [f"--user-data-dir={profile}", "--disable-dev-shm-usage", "--lang=en"]
    options = {"args": arguments, "binary": shutil.which("chromium")}
    wanted = {"capabilities": {"alwaysMatch": {"goog:chromeOptions": options}}}
    answer = web.post("/session", json=wanted)
    answer.raise_for_status()
    session = answer.json()["value"]["sessionId"]
    try:
        yield Browser(web, session)
    finally:
        web.delete(f"/session/{session}")


def _address(driver: subprocess.Popen[str]) -> str:
    for line in driver.stdout or ():
        if "started successfully on port" in line:
            return f"http://127.0.0.1:{line.rstrip().rstrip('.').rpartition(' ')[2]}"
    raise AssertionError("chromedriver did not start")
