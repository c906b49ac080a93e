"""Prompts over the chat completions that OpenAI's API made common; many servers speak it.

Each question is sent once, a bounded number at a time and a minute; its answer is on disk before
it is used. 429 and 5xx are tried again, a bounded number of times and as late as the server asks;
a server that cannot be reached, knows no such model or key, or fails all the time ends the run.
Everything else that goes wrong is a problem of the one question.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import Any

import httpx

from datahub.adapters.prompts_openai.answer_log import AnswerLog
from datahub.adapters.prompts_openai.limits import Pace, Prices, Purse
from datahub.core.errors import (
    AuthenticationError,
    ConfigError,
    PromptNotReady,
    Rejected,
    Unavailable,
    storable,
)
from datahub.core.prompt_lf import Question, Reply, Spending

_LOGGER = logging.getLogger(__name__)
ATTEMPTS = 4
LONGEST_WAIT = 120.0  # seconds that a server may ask for; later is as good as never
GIVE_UP = 20  # failures in a row, of one question or another
_MAX_QUOTE = 200
_PROBLEMS = {"content_filter": "refused by a content filter", "length": "the answer was cut off"}

Progress = Callable[[str, int, int], None]


class OpenAIPrompts:
    """Asks `endpoint` (its address up to /v1), `parallel` questions at a time.

    The key goes to that endpoint alone: one that an LF names for itself is asked without.
    """

    def __init__(
        self,
        log: Path,
        *,
        endpoint: str,
        api_key: str,
        parallel: int = 4,
        per_minute: int = 0,
        timeout: float = 60.0,
        price_input: float = 0.0,
        price_output: float = 0.0,
        max_cost: float = 0.0,
        max_requests: int = 0,
        progress: Progress | None = None,
        clock: Callable[[], float] = time.monotonic,
        wait: Callable[[float], object] | None = None,
    ) -> None:
        prices = Prices(price_input, price_output)
        if max_cost and not prices.is_set:
            raise ConfigError(
                f"The cost is limited to {max_cost:g}, and no price is known.",
                hint="Set prompt_price_input and prompt_price_output, for a million tokens.",
            )
        self._log = AnswerLog(log)
        self._endpoint = endpoint
        self._api_key = api_key
        self._parallel = parallel
        self._timeout = timeout
        self._progress = progress
        self._wait = wait
        self._pace = Pace(per_minute, clock=clock)
        self._purse = Purse(prices, max_cost=max_cost, max_requests=max_requests)
        self._failures = 0

    @property
    def spent(self) -> Spending:
        """What was spent so far."""
        return self._purse.spent

    def ask(self, lf: str, questions: Sequence[Question]) -> list[Reply]:
        """A reply to each question, in order; equal ones, and those of the log, are not sent.

        Raises LimitReached, Unavailable, AuthenticationError, Rejected, ConfigError,
        StorageError; answers that came until then are kept.
        """
        by_id = {question.id: question for question in questions}
        replies = self._log.replies(by_id)
        self._purse.reuse(len(replies))
        missing = [question for id, question in by_id.items() if id not in replies]
        if missing:
            replies |= self._send_all(lf, missing)
        return [replies[question.id] for question in questions]

    def _send_all(self, lf: str, questions: Sequence[Question]) -> dict[str, Reply]:
        if not self._endpoint and not all(question.endpoint for question in questions):
            raise PromptNotReady(
                lf,
                "endpoint",
                hint="Set DATAHUB_PROMPT_ENDPOINT (such as http://127.0.0.1:11434/v1), and "
                "DATAHUB_PROMPT_API_KEY where it asks for a key.",
            )
        replies: dict[str, Reply] = {}
        stop = threading.Event()  # of this call: others may be asking meanwhile
        threads = ThreadPoolExecutor(self._parallel)
        places = httpx.Limits(max_connections=self._parallel)
        with httpx.Client(timeout=self._timeout, follow_redirects=False, limits=places) as web:
            try:
                tasks = {
                    threads.submit(self._ask_or_stop, web, each, stop): each.id
                    for each in questions
                }
                for future in as_completed(tasks):
                    replies[tasks[future]] = future.result()
                    if self._progress:
                        self._progress(f"ask {lf}", len(replies), len(questions))
            finally:  # whatever ended it: what is on its way is waited for, since it is paid for
                stop.set()
                threads.shutdown(cancel_futures=True)
        return replies

    def _ask_or_stop(self, web: httpx.Client, question: Question, stop: threading.Event) -> Reply:
        try:
            return self._try(web, question, stop)
        except BaseException:  # it ends the run: nobody else begins
            stop.set()
            raise

    def _try(self, web: httpx.Client, question: Question, stop: threading.Event) -> Reply:
        wait = self._wait or stop.wait
        for attempt in range(1, ATTEMPTS + 1):
            wait(self._pace.turn())
            if stop.is_set():
                return Reply(problem="stopped")  # nobody reads it
            self._purse.take(question)
            try:
                answer = self._post(web, question)
            except (httpx.ConnectError, httpx.ConnectTimeout) as error:
                self._purse.give_back(question)
                if attempt == ATTEMPTS:
                    raise self._away(question, str(error)) from error
                _LOGGER.info("attempt %d: no connection; asking again", attempt)
                wait(2.0 ** (attempt - 1))
                continue
            except (httpx.InvalidURL, httpx.UnsupportedProtocol) as error:
                raise ConfigError(
                    f"The prompt endpoint {question.endpoint or self._endpoint!r} is no address.",
                    hint="Such as https://api.openai.com/v1 or http://127.0.0.1:11434/v1.",
                ) from error
            except httpx.RequestError as error:  # it may have been answered, and paid
                self._purse.pay(question, None)
                return self._fail(question, f"no answer: {type(error).__name__}")
            if answer.status_code == 429 or answer.status_code >= 500:
                self._purse.give_back(question)
                if not self._wait_to_retry(answer, attempt, wait):
                    text = f"HTTP {answer.status_code} after {attempt} attempts"
                    return self._fail(question, text + _detail(answer, self._api_key))
                continue
            return self._accept(question, answer)
        raise AssertionError  # the last attempt returned or raised

    def _post(self, web: httpx.Client, question: Question) -> httpx.Response:
        endpoint = question.endpoint or self._endpoint
        send_key = self._api_key and endpoint.rstrip("/") == self._endpoint.rstrip("/")
        messages = [{"role": "user", "content": question.text}]
        if question.system:
            messages.insert(0, {"role": "system", "content": question.system})
        start = time.perf_counter()
        answer = web.post(
            endpoint.rstrip("/") + "/chat/completions",
            headers={"Authorization": f"Bearer {self._api_key}"} if send_key else {},
            json={
                "model": question.model,
                "messages": messages,
                "temperature": 0,
                "max_tokens": question.max_tokens,
            },
        )
        milliseconds = 1000 * (time.perf_counter() - start)
        _LOGGER.debug("POST /chat/completions: %s in %.0f ms", answer.status_code, milliseconds)
        return answer

    def _wait_to_retry(
        self, answer: httpx.Response, attempt: int, wait: Callable[[float], object]
    ) -> bool:
        """Wait as the server asks, or longer each time; False when it is not to be tried again."""
        if attempt == ATTEMPTS:
            return False
        header = answer.headers.get("retry-after", "")
        seconds = float(header) if header.replace(".", "", 1).isdigit() else 2.0 ** (attempt - 1)
        if seconds > LONGEST_WAIT:
            return False
        _LOGGER.info("attempt %d: %s; again in %.0f s", attempt, answer.status_code, seconds)
        if answer.status_code == 429:  # too many of all of us
            self._pace.hold(seconds)
        else:
            wait(seconds)
        return True

    def _accept(self, question: Question, answer: httpx.Response) -> Reply:
        detail = _detail(answer, self._api_key)
        if answer.status_code in (401, 403):
            raise AuthenticationError(
                f"The prompt endpoint refused the key: HTTP {answer.status_code}.",
                hint="Set DATAHUB_PROMPT_API_KEY. It is sent to DATAHUB_PROMPT_ENDPOINT alone.",
            )
        if answer.status_code == 404:
            raise Rejected(
                f"The prompt endpoint knows no model {question.model!r}, or is another "
                f"address: HTTP 404{detail}",
                hint="Name the model as the endpoint does, and the address up to /v1.",
                backend="prompts",
            )
        if answer.status_code != 200:
            self._purse.give_back(question)
            return self._fail(question, f"HTTP {answer.status_code}{detail}")
        reply, usage = _read(answer)
        tokens = self._purse.pay(question, usage)
        if reply is None:
            return self._fail(question, f"no chat completion: {answer.text[:_MAX_QUOTE]!r}")
        self._log.add(
            question.id,
            reply,
            model=question.model,
            prompt_tokens=tokens[0],
            completion_tokens=tokens[1],
        )
        self._failures = 0
        return reply

    def _fail(self, question: Question, problem: str) -> Reply:
        self._failures += 1
        if self._failures >= GIVE_UP:
            raise self._away(question, f"{GIVE_UP} failures in a row, the last: {problem}")
        return Reply(problem=problem)

    def _away(self, question: Question, why: str) -> Unavailable:
        return Unavailable(
            f"The prompt endpoint {question.endpoint or self._endpoint} does not answer: {why}",
            hint="Run again when it does: answers so far are kept and not asked again.",
            backend="prompts",
        )


def _read(answer: httpx.Response) -> tuple[Reply | None, tuple[int, int] | None]:
    """The reply in a body, None where there is none, and its tokens where they are told."""
    try:
        body = answer.json()
        choice = body["choices"][0]
        message = choice["message"]
        text, refusal = message.get("content"), message.get("refusal")
    except (ValueError, KeyError, IndexError, TypeError, AttributeError):
        return None, None
    problem = _PROBLEMS.get(str(choice.get("finish_reason")), "")
    if refusal:
        problem = storable(f"refused: {str(refusal)[:_MAX_QUOTE]}")
    if not problem and not isinstance(text, str):
        return None, _usage(body)
    return Reply(storable(text) if isinstance(text, str) else "", problem), _usage(body)


def _usage(body: Any) -> tuple[int, int] | None:
    usage = body.get("usage")
    counts = [usage.get(f"{kind}_tokens") for kind in ("prompt", "completion")] if usage else []
    if len(counts) == 2 and all(isinstance(n, int) and n >= 0 for n in counts):
        return counts[0], counts[1]
    return None


def _detail(answer: httpx.Response, secret: str) -> str:
    """What the server said of an error, on one line and without our key."""
    try:
        message = answer.json()["error"]["message"]
    except (ValueError, KeyError, TypeError):
        return ""
    text = storable(" ".join(str(message).split())[:_MAX_QUOTE])
    return ": " + (text.replace(secret, "***") if secret else text)
