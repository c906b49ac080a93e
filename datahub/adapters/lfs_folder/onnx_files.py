"""ONNX files as classifiers. The only file that imports `onnxruntime`, and on first use.

What runs is what was read once: the session is made of the bytes whose SHA-256 is the model's
fingerprint. A model that keeps weights in a second file is refused, since no fingerprint
of ours would cover it.
"""

from __future__ import annotations

from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from datahub.core.errors import ConfigError, LabelingFunctionError

_KINDS: dict[str, Any] = {
    "tensor(string)": np.object_,
    "tensor(float)": np.float32,
    "tensor(double)": np.float64,
    "tensor(int64)": np.int64,
    "tensor(int32)": np.int32,
    "tensor(bool)": np.bool_,
}
_MAPS = ("seq(map(string,tensor(float)))", "seq(map(int64,tensor(float)))")


class OnnxPredictor:
    """A classifier in a file; `classes_` is known once it has spoken, where it tells at all.

    Its one input takes a column's values or the table; or each of its inputs takes the
    column of the same name. Its probabilities are the output `probabilities`, or the only
    one that is a table of numbers or a list of {class: probability}.
    """

    def __init__(self, path: Path, *, lf: str) -> None:
        self._path = path
        self._lf = lf
        self.classes_: list[Any] | None = None
        try:
            self._content = path.read_bytes()
        except OSError as error:
            raise self._broke(
                f"cannot be read: {error.strerror}", "Paths start at the project's folder."
            ) from error
        self.sha256 = sha256(self._content).hexdigest()

    def predict_proba(self, features: object) -> Any:
        """Probabilities [n, k] of a list of values, or of an array or frame of columns."""
        output = self._session.run([self._output], self._feed(features))[0]
        if not isinstance(output, list):
            return output
        if self.classes_ is None and output:
            self.classes_ = list(output[0])
        return np.array([list(row.values()) for row in output], dtype=np.float64)

    @cached_property
    def feature_names_in_(self) -> list[str]:
        """Names of the inputs, where there are several: so that columns come with theirs."""
        names = [node.name for node in self._session.get_inputs()]
        if len(names) == 1:
            raise AttributeError("feature_names_in_")
        return names

    def _feed(self, features: Any) -> dict[str, Any]:
        inputs = self._session.get_inputs()
        if isinstance(features, pl.DataFrame):
            return {node.name: self._array(node, features[node.name].to_list()) for node in inputs}
        return {inputs[0].name: self._array(inputs[0], features)}

    def _array(self, place: Any, values: Any) -> Any:
        array = np.asarray(values, dtype=_KINDS[place.type])
        return array.reshape(-1, 1) if len(place.shape) == 2 and array.ndim == 1 else array

    @cached_property
    def _output(self) -> str:
        outputs = self._session.get_outputs()
        usable = [
            node.name
            for node in outputs
            if node.type in _MAPS
            or (node.type in ("tensor(float)", "tensor(double)") and len(node.shape) == 2)
        ]
        candidates = [name for name in usable if name == "probabilities"] or usable
        if len(candidates) != 1:
            summary = ", ".join(f"{node.name}: {node.type}" for node in outputs)
            raise self._broke(
                f"has not one output of probabilities, but {summary}.",
                "Name the right one `probabilities` when you export the model.",
            )
        return str(candidates[0])

    @cached_property
    def _session(self) -> Any:
        try:
            import onnxruntime
        except ImportError as error:
            raise ConfigError(
                f"LF {self._lf!r} is an ONNX model, and onnxruntime is not installed.",
                hint="`pip install 'datahub-labeling[onnx]'`.",
            ) from error
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1  # sums in one order, whatever the machine; --jobs spreads
        options.log_severity_level = 4
        try:
            session = onnxruntime.InferenceSession(
                self._content, options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # its own kinds share no other class
            line = str(error).strip().splitlines()[0]
            raise self._broke(
                f"cannot be loaded: {line[:300]}",
                "One .onnx file with its weights inside, of an opset that onnxruntime knows.",
            ) from error
        strange = [node for node in session.get_inputs() if node.type not in _KINDS]
        if strange:
            raise self._broke(
                f"takes a {strange[0].type} as {strange[0].name!r}.",
                f"Inputs are {', '.join(_KINDS)}.",
            )
        return session

    def _broke(self, fault: str, hint: str) -> LabelingFunctionError:
        return LabelingFunctionError(
            f"The model {self._path.name} of LF {self._lf!r} {fault}", hint=hint, lf=self._lf
        )
