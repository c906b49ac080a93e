"""What every embedder promises: ONNX folders on this machine, and an endpoint of OpenAI's API."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from datahub.adapters.embedder_onnx import OnnxEmbedder
from datahub.adapters.embedder_openai import OpenAIEmbedder
from datahub.adapters.vector_cache import CachedEmbedder
from datahub.core.errors import (
    AuthenticationError,
    ConfigError,
    InputError,
    Rejected,
    StorageError,
    Unavailable,
)
from datahub.hub.registry import REGISTRY
from datahub.ports import Embedder
from tests import embedding_model

Answer = tuple[int, dict[str, str], Any]


class Endpoint:
    """A server that speaks OpenAI's /embeddings by the model of an ONNX folder."""

    def __init__(self, model: OnnxEmbedder) -> None:
        self.model = model
        self.asked: list[list[str]] = []
        self.faults: list[Answer] = []  # what is answered before it works
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                status, headers, content = server.answer(body["input"])
                text = json.dumps(content).encode()
                self.send_response(status)
                for name, value in {**headers, "Content-Length": str(len(text))}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(text)

            def log_message(self, *_: object) -> None:
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_port}/v1"
        threading.Thread(target=self.http.serve_forever, daemon=True).start()

    def answer(self, texts: list[str]) -> Answer:
        self.asked.append(texts)
        if self.faults:
            return self.faults.pop(0)
        vectors = self.model.embed(texts).tolist()
        data = [{"index": n, "embedding": vector} for n, vector in enumerate(vectors)]
        return 200, {}, {"data": data[::-1]}  # in no order


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return embedding_model.make(tmp_path / "mini")


@pytest.fixture
def endpoint(folder: Path) -> Iterator[Endpoint]:
    server = Endpoint(OnnxEmbedder(folder))
    yield server
    server.http.shutdown()
    server.http.server_close()


@pytest.fixture(params=sorted(REGISTRY["embedder"]))
def embedder(request: pytest.FixtureRequest, folder: Path) -> Embedder:
    if request.param == "onnx":
        return OnnxEmbedder(folder)
    return OpenAIEmbedder(endpoint=request.getfixturevalue("endpoint").url, model="mini")


def test_vectors_have_length_one_and_like_texts_are_near(embedder: Embedder) -> None:
    vectors = embedder.embed(["free prize", "win", "team meeting"])

    assert vectors.dtype == np.float32
    assert np.linalg.norm(vectors, axis=1) == pytest.approx([1, 1, 1], abs=1e-6)
    assert vectors[0] @ vectors[1] > 0.9 > 0.2 > vectors[0] @ vectors[2]


def test_the_vector_of_a_text_does_not_depend_on_its_neighbours(embedder: Embedder) -> None:
    texts = ["free " * n + "lunch" for n in range(100)]

    assert np.array_equal(embedder.embed(texts)[41:42], embedder.embed(texts[41:42]))


def test_no_text_is_no_vector(embedder: Embedder) -> None:
    assert len(embedder.embed([])) == 0


def test_what_a_text_holds_does_not_matter(embedder: Embedder) -> None:
    vectors = embedder.embed(["", "\x00\n\u202e", "ünï \U0001f600", "x" * 100_000])

    assert vectors.shape[0] == 4
    assert np.isfinite(vectors).all()


def test_only_an_endpoint_says_that_texts_leave(folder: Path, endpoint: Endpoint) -> None:
    assert OnnxEmbedder(folder).destination == ""
    assert OpenAIEmbedder(endpoint=endpoint.url, model="mini").destination == endpoint.url


# -- a folder


def test_another_model_or_cut_is_another_id(folder: Path, tmp_path: Path) -> None:
    other = embedding_model.make(tmp_path / "other", scale=2)

    ids = {OnnxEmbedder(folder).id, OnnxEmbedder(other).id, OnnxEmbedder(folder, max_tokens=8).id}

    assert len(ids) == 3
    assert OnnxEmbedder(folder).id == OnnxEmbedder(folder).id


@pytest.mark.parametrize("name", ["model.onnx", "tokenizer.json"])
def test_half_a_folder_is_told_at_once(folder: Path, name: str) -> None:
    (folder / name).unlink()

    with pytest.raises(ConfigError, match=f"has no {name}"):
        OnnxEmbedder(folder)


@pytest.mark.parametrize("name", ["model.onnx", "tokenizer.json"])
def test_a_file_that_is_cut_off_is_told(folder: Path, name: str) -> None:
    content = (folder / name).read_bytes()
    (folder / name).write_bytes(content[: len(content) // 2])

    with pytest.raises(InputError, match="cannot be read"):
        OnnxEmbedder(folder).embed(["free"])


def test_a_model_that_gives_no_numbers_is_told(tmp_path: Path) -> None:
    broken = embedding_model.make(tmp_path / "nan", nan=True)

    with pytest.raises(InputError, match="gives no vector"):
        OnnxEmbedder(broken).embed(["free"])


# -- an endpoint


def embedder_of(endpoint: Endpoint, waits: list[float]) -> OpenAIEmbedder:
    return OpenAIEmbedder(endpoint=endpoint.url, model="mini", wait=waits.append)


def test_a_busy_endpoint_is_asked_again_as_late_as_it_says(endpoint: Endpoint) -> None:
    endpoint.faults = [(429, {"Retry-After": "7"}, {}), (503, {}, {})]
    waits: list[float] = []

    assert embedder_of(endpoint, waits).embed(["free"]).shape == (1, 4)
    assert waits == [7.0, 2.0]


def test_an_endpoint_that_stays_down_is_unavailable(endpoint: Endpoint) -> None:
    endpoint.faults = [(500, {}, {})] * 9

    with pytest.raises(Unavailable, match="status 500"):
        embedder_of(endpoint, []).embed(["free"])
    assert len(endpoint.asked) == 4


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        ((401, {}, {}), AuthenticationError),
        ((404, {}, {"error": "no such model"}), Rejected),
        ((302, {"Location": "http://127.0.0.1:9/"}, {}), Rejected),
        ((200, {}, []), Rejected),
        ((200, {}, {"data": []}), Rejected),
        ((200, {}, {"data": [{"index": 1, "embedding": [1.0]}]}), Rejected),
        ((200, {}, {"data": [{"index": 0, "embedding": ["x"]}]}), Rejected),
        ((200, {}, {"data": [{"index": 0, "embedding": [float("nan")]}]}), Rejected),
    ],
)
def test_an_answer_that_is_none_is_never_a_vector(
    endpoint: Endpoint, answer: Answer, error: type[Exception]
) -> None:
    endpoint.faults = [answer]

    with pytest.raises(error):
        embedder_of(endpoint, []).embed(["free"])


# -- the cache


def test_a_text_is_asked_for_once(endpoint: Endpoint, tmp_path: Path) -> None:
    def cached() -> CachedEmbedder:
        return CachedEmbedder(embedder_of(endpoint, []), tmp_path / "vectors.db")

    first = cached().embed(["free", "prize", "free"])
    again = cached().embed(["prize", "free", "team"])

    assert endpoint.asked == [["free", "prize"], ["team"]]
    assert np.array_equal(first[[1, 0]], again[:2])
    assert cached().missing(["free", "lunch", "lunch"]) == 1


def test_what_came_before_an_endpoint_went_down_is_kept(
    endpoint: Endpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("datahub.adapters.vector_cache.AT_ONCE", 1)
    endpoint.faults = [(200, {}, {"data": [{"index": 0, "embedding": [1, 0, 0, 0]}]})]
    endpoint.faults += [(401, {}, {})]
    cache = CachedEmbedder(embedder_of(endpoint, []), tmp_path / "vectors.db")

    with pytest.raises(AuthenticationError):
        cache.embed(["free", "prize"])

    assert cache.missing(["free", "prize"]) == 1


@pytest.mark.parametrize(
    "break_it",
    [lambda path: path.write_bytes(b"no database" * 99), lambda path: path.mkdir()],
    ids=["garbage", "a folder"],
)
def test_a_cache_that_cannot_be_used_is_told(
    folder: Path, tmp_path: Path, break_it: Callable[[Path], object]
) -> None:
    break_it(tmp_path / "vectors.db")

    with pytest.raises(StorageError, match="cache of vectors"):
        CachedEmbedder(OnnxEmbedder(folder), tmp_path / "vectors.db").embed(["free"])
