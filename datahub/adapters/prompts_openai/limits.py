"""What may be sent when, and what may be spent: shared by all threads that ask."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, replace

from datahub.core.errors import LimitReached
from datahub.core.prompt_lf import Question, Spending

AROUND = 64  # tokens at most that a chat puts around its two messages


class Pace:
    """At most so many requests a minute, evenly; none while the other side asks to wait."""

    def __init__(self, per_minute: float, *, clock: Callable[[], float]) -> None:
        self._gap = 60 / per_minute if per_minute else 0.0
        self._clock = clock
        self._next = 0.0
        self._lock = threading.Lock()

    def turn(self) -> float:
        """Take the next place in the row; return the seconds until it comes."""
        with self._lock:
            now = self._clock()
            at = max(now, self._next)
            self._next = at + self._gap
            return at - now

    def hold(self, seconds: float) -> None:
        """Give nobody a place before so many seconds have passed."""
        with self._lock:
            self._next = max(self._next, self._clock() + seconds)


@dataclass(frozen=True)
class Prices:
    """For a million tokens; 0 and 0 where they are not known."""

    prompt: float = 0.0
    completion: float = 0.0

    @property
    def is_set(self) -> bool:
        """Whether there is a price at all."""
        return bool(self.prompt or self.completion)

    def of(self, prompt_tokens: int, completion_tokens: int) -> float:
        """What so many tokens cost."""
        return (prompt_tokens * self.prompt + completion_tokens * self.completion) / 1e6


class Purse:
    """Counts what is spent, and stops before a limit is passed.

    What a request may cost at most is set aside before it is sent: a token is at least a byte.
    """

    def __init__(self, prices: Prices, *, max_cost: float, max_requests: int) -> None:
        self._prices = prices
        self._max_cost = max_cost
        self._max_requests = max_requests
        self._set_aside = 0.0
        self._spent = Spending(cost=0.0 if prices.is_set else None)
        self._lock = threading.Lock()

    @property
    def spent(self) -> Spending:
        """All so far."""
        with self._lock:
            return self._spent

    def take(self, question: Question) -> None:
        """Set aside what one request may cost. Raises LimitReached."""
        most = self._most(question)
        with self._lock:
            cost = (self._spent.cost or 0.0) + self._set_aside
            if self._max_requests and self._spent.requests >= self._max_requests:
                raise LimitReached(f"{self._max_requests} requests", "prompt_max_requests")
            if self._max_cost and cost + most > self._max_cost:
                raise LimitReached(f"a cost of {self._max_cost:g}", "prompt_max_cost")
            self._set_aside += most
            self._spent = replace(self._spent, requests=self._spent.requests + 1)

    def give_back(self, question: Question) -> None:
        """Nothing was spent on a request that failed."""
        with self._lock:
            self._set_aside -= self._most(question)

    def pay(self, question: Question, usage: tuple[int, int] | None) -> tuple[int, int]:
        """Count an answer's tokens: as told, or the most it can be. Return them."""
        tokens = self._most_tokens(question) if usage is None else usage
        with self._lock:
            self._set_aside -= self._most(question)
            earlier = self._spent
            cost = None if earlier.cost is None else earlier.cost + self._prices.of(*tokens)
            self._spent = replace(
                earlier,
                answered=earlier.answered + 1,
                prompt_tokens=earlier.prompt_tokens + tokens[0],
                completion_tokens=earlier.completion_tokens + tokens[1],
                cost=cost,
            )
        return tokens

    def reuse(self, count: int) -> None:
        """Count answers that were there already."""
        with self._lock:
            self._spent = replace(self._spent, reused=self._spent.reused + count)

    def _most(self, question: Question) -> float:
        return self._prices.of(*self._most_tokens(question))

    def _most_tokens(self, question: Question) -> tuple[int, int]:
        return len((question.system + question.text).encode()) + AROUND, question.max_tokens
