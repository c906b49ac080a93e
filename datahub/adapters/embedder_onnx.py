"""Sentence embeddings by a folder with model.onnx and tokenizer.json, on this machine.

The only file that imports `tokenizers`; `onnxruntime` it shares with ONNX files as LFs. Nothing is
downloaded. Texts go through the model one by one: a quantized model scales its numbers by all that
is in a batch, so that in a batch the vector of a text would depend on its neighbours.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from datahub.core.errors import ConfigError, InputError
from datahub.core.vectors import Vectors, unit

_KNOWN_INPUTS = ("input_ids", "attention_mask", "token_type_ids")
_MODEL, _TOKENIZER = "model.onnx", "tokenizer.json"


class OnnxEmbedder:
    """Mean of the last hidden states over a text's tokens, of length 1; or the model's own vector.

    A text is cut after `max_tokens`. Raises ConfigError: a file or the extra is missing.
    """

    destination = ""  # no text leaves the machine

    def __init__(self, folder: Path, *, max_tokens: int = 256) -> None:
        self.name = folder.name
        self._max_tokens = max_tokens
        self._files = {name: folder / name for name in (_MODEL, _TOKENIZER)}
        missing = [name for name, path in self._files.items() if not path.is_file()]
        if missing:
            raise ConfigError(
                f"{folder} has no {' and no '.join(missing)}.",
                hint="embed_model names a folder with model.onnx and tokenizer.json, as sentence "
                "transformers are published.",
            )
        digest = hashlib.sha256(f"onnx mean 1 {max_tokens}".encode())
        for content in self._contents.values():
            digest.update(hashlib.sha256(content).digest())
        self.id = digest.hexdigest()  # of all that decides a vector

    @cached_property
    def _contents(self) -> dict[str, bytes]:
        """Both files, read once: what is named by the id is what is used."""
        try:
            return {name: path.read_bytes() for name, path in self._files.items()}
        except OSError as error:
            raise ConfigError(
                f"The embedding model cannot be read: {error}.", hint="Look at its permissions."
            ) from error

    def embed(self, texts: Sequence[str]) -> Vectors:
        """Vectors [n, d] of length 1. Raises ConfigError, InputError (no such model)."""
        _ = self._tokenizer, self._session  # made by one thread
        if not texts:
            return np.zeros((0, 0), dtype=np.float32)
        with ThreadPoolExecutor(os.cpu_count()) as threads:
            vectors = list(threads.map(self._vector, texts))
        example = next((vector for vector in vectors if vector is not None), None)
        if example is None and (example := self._vector("a")) is None:
            raise InputError(
                f"The tokenizer of {self.name!r} makes no token of a text.",
                hint="Is tokenizer.json that of this model?",
            )
        zeros = np.zeros_like(example)
        return unit(np.stack([zeros if vector is None else vector for vector in vectors]))

    def _vector(self, text: str) -> Vectors | None:
        """The vector of a text; None where it has no token."""
        encoding = self._tokenizer.encode(text)
        if not encoding.ids:
            return None
        lines = {
            "input_ids": encoding.ids,
            "attention_mask": encoding.attention_mask,
            "token_type_ids": encoding.type_ids,
        }
        inputs = {name: np.array([lines[name]], dtype=np.int64) for name in self._inputs}
        output = np.asarray(self._session.run(None, inputs)[0], dtype=np.float32)
        if output.ndim == 3:
            output = output.mean(axis=1)  # one text without padding: all its tokens count
        if output.ndim != 2 or output.shape[0] != 1 or not np.isfinite(output).all():
            raise InputError(
                f"The model {self.name!r} gives no vector for a text: its output is "
                f"{list(output.shape)}.",
                hint="It must give [1, tokens, d] or [1, d], all of them numbers.",
            )
        vector: Vectors = output[0]
        return vector

    @cached_property
    def _inputs(self) -> list[str]:
        names = [entry.name for entry in self._session.get_inputs()]
        if "input_ids" not in names or set(names) - set(_KNOWN_INPUTS):
            raise InputError(
                f"The model {self.name!r} takes {', '.join(names)}.",
                hint=f"A model of sentences takes {', '.join(_KNOWN_INPUTS)}.",
            )
        return names

    @cached_property
    def _tokenizer(self) -> Any:
        try:
            from tokenizers import Tokenizer
        except ImportError as error:
            raise _extra("tokenizers") from error
        try:
            tokenizer = Tokenizer.from_str(self._contents[_TOKENIZER].decode())
        except Exception as error:  # its errors are bare Exceptions
            raise _unreadable(self._files[_TOKENIZER], error) from error
        tokenizer.no_padding()
        tokenizer.enable_truncation(self._max_tokens)
        return tokenizer

    @cached_property
    def _session(self) -> Any:
        try:
            import onnxruntime
        except ImportError as error:
            raise _extra("onnxruntime") from error
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1  # texts run side by side, each on a thread of ours
        options.log_severity_level = 4
        try:
            return onnxruntime.InferenceSession(
                self._contents[_MODEL], options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # each kind of fault is a class of its own
            raise _unreadable(self._files[_MODEL], error) from error


def _extra(package: str) -> ConfigError:
    return ConfigError(
        f"Embeddings need {package}, which is not installed.",
        hint="`pip install 'datahub-labeling[embed]'`.",
    )


def _unreadable(path: Path, error: Exception) -> InputError:
    return InputError(
        f"{path} cannot be read: {' '.join(str(error).split())[:200]}",
        hint="Is it whole, with its weights inside, and of the kind that its name says?",
    )
