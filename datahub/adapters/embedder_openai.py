"""Embeddings by an endpoint that speaks OpenAI's API. Texts leave the machine for its address."""

from __future__ import annotations

import hashlib
import logging
import time
from collections.abc import Callable, Sequence
from typing import Any

import httpx
import numpy as np

from datahub.core.errors import AuthenticationError, ConfigError, Rejected, Unavailable
from datahub.core.vectors import Vectors, unit

_LOGGER = logging.getLogger(__name__)
_PER_REQUEST = 64
_ATTEMPTS = 4
_LONGEST_WAIT = 60.0  # seconds


class OpenAIEmbedder:
    """Asks `endpoint` (its address up to /v1) for vectors by `model`."""

    def __init__(
        self,
        *,
        endpoint: str,
        model: str,
        api_key: str = "",
        timeout: float = 60.0,
        wait: Callable[[float], object] = time.sleep,
    ) -> None:
        if not model:
            raise ConfigError(
                "embed_endpoint is set, and no model is named.", hint="Set embed_model."
            )
        self.name = model
        self.destination = endpoint
        self.id = hashlib.sha256(f"openai 1 {endpoint} {model}".encode()).hexdigest()
        self._headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}
        self._timeout = timeout
        self._wait = wait

    def embed(self, texts: Sequence[str]) -> Vectors:
        """Vectors [n, d] of length 1.

        Raises Unavailable, AuthenticationError, Rejected (no such model, or an answer that is
        none).
        """
        if not texts:
            return np.zeros((0, 0), dtype=np.float32)
        starts = range(0, len(texts), _PER_REQUEST)
        with httpx.Client(
            timeout=self._timeout, headers=self._headers, follow_redirects=False
        ) as web:
            pieces = [self._ask(web, texts[start : start + _PER_REQUEST]) for start in starts]
        if len({piece.shape[1] for piece in pieces}) != 1:
            raise self._rejected("vectors of unequal lengths")
        return unit(np.concatenate(pieces))

    def _ask(self, web: httpx.Client, texts: Sequence[str]) -> Vectors:
        url = self.destination.rstrip("/") + "/embeddings"
        for attempt in range(_ATTEMPTS):
            try:
                response = web.post(url, json={"model": self.name, "input": list(texts)})
            except httpx.TransportError as error:
                problem, pause = str(error) or type(error).__name__, 2.0**attempt
            else:
                if response.status_code != 429 and response.status_code < 500:
                    return self._read(response, len(texts))
                problem, pause = f"status {response.status_code}", _pause(response, attempt)
            _LOGGER.info("%s: %s, attempt %d", url, problem, attempt + 1)
            if attempt + 1 < _ATTEMPTS:
                self._wait(min(pause, _LONGEST_WAIT))
        raise Unavailable(
            f"The endpoint {self.destination} gives no embeddings: {problem}.",
            hint="Vectors that came before are kept. Try again.",
            backend="embeddings",
        )

    def _read(self, response: httpx.Response, count: int) -> Vectors:
        if response.status_code in (401, 403):
            raise AuthenticationError(
                f"The endpoint {self.destination} does not know this key.",
                hint="Set DATAHUB_EMBED_API_KEY.",
            )
        if not response.is_success:
            raise self._rejected(f"status {response.status_code}: {response.text[:200]!r}")
        try:
            data: list[Any] = sorted(response.json()["data"], key=lambda entry: entry["index"])
            numbers = [entry["index"] for entry in data]
            vectors = np.array([entry["embedding"] for entry in data], dtype=np.float32)
        except (ValueError, KeyError, TypeError) as error:
            raise self._rejected("no list of vectors") from error
        if numbers != list(range(count)) or vectors.ndim != 2 or not np.isfinite(vectors).all():
            raise self._rejected(f"{len(data)} vectors for {count} texts, or what is no number")
        return vectors

    def _rejected(self, answer: str) -> Rejected:
        return Rejected(
            f"The endpoint {self.destination} answered {answer}.",
            hint=f"Does it have the model {self.name!r}, and /embeddings?",
        )


def _pause(response: httpx.Response, attempt: int) -> float:
    try:
        return float(response.headers.get("Retry-After", 2.0**attempt))
    except ValueError:
        return 2.0**attempt
