"""ONNX files as labeling functions: found, loaded, fingerprinted by their bytes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import polars as pl
import pytest
from onnx import TensorProto, helper
from skl2onnx import to_onnx
from skl2onnx.common.data_types import FloatTensorType, StringTensorType
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from datahub import ABSTAIN, model
from datahub.adapters.lfs_folder.discovery import LiveLF, discover_lfs
from datahub.core.errors import LabelingFunctionError
from datahub.core.labeling import apply

TEXTS = ["free prize", "win a prize", "prize now", "dinner at home", "see you at home", "home soon"]
IS_SPAM = [1, 1, 1, 0, 0, 0]
ROWS = pl.DataFrame({"id": [1, 2, 3], "text": ["a prize", None, "home"], "n": [0.1, 0.9, 0.5]})


def text_model() -> Any:
    """Without lower case: onnxruntime asks for the locale en_US then, which few containers have."""
    return make_pipeline(TfidfVectorizer(lowercase=False), LogisticRegression(C=100)).fit(
        TEXTS, IS_SPAM
    )


def as_onnx(made: Any, kind: Any, *, zipmap: bool) -> bytes:
    options = {id(made.steps[-1][1] if hasattr(made, "steps") else made): {"zipmap": zipmap}}
    content: bytes = to_onnx(made, initial_types=[("x", kind)], options=options).SerializeToString()
    return content


def passes_on(*, output: str = "said", width: int = 2) -> bytes:
    """A graph that gives its table of numbers back."""
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, width])
    y = helper.make_tensor_value_info(output, TensorProto.FLOAT, [None, width])
    graph = helper.make_graph([helper.make_node("Identity", ["x"], [output])], "g", [x], [y])
    opset = [helper.make_opsetid("", 17)]
    content: bytes = helper.make_model(graph, opset_imports=opset, ir_version=8).SerializeToString()
    return content


def found(project: Path, content: bytes, arguments: str) -> LiveLF:
    """The LF of a project with one ONNX file."""
    (project / "lfs").mkdir(exist_ok=True)
    (project / "m.onnx").write_bytes(content)
    text = f"from datahub import model\nlf = model('m', 'm.onnx', {arguments})\n"
    (project / "lfs" / "a.py").write_text(text)
    return discover_lfs(project, project / "lfs").lfs[0]


def votes(one: LiveLF, rows: pl.DataFrame = ROWS) -> list[int]:
    result: list[int] = apply(rows, [one.lf], key="id", cardinality=2).votes.ravel().tolist()
    return result


@pytest.mark.parametrize("zipmap", [True, False])
def test_a_file_votes_as_the_model_it_was_written_from(tmp_path: Path, zipmap: bool) -> None:
    made = text_model()
    content = as_onnx(made, StringTensorType([None, 1]), zipmap=zipmap)

    one = found(tmp_path, content, "threshold=0.6")

    assert (one.found.kind, one.found.safe) == ("model", True)
    assert votes(one) == [1, ABSTAIN, 0]
    assert (
        votes(one)
        == apply(ROWS, [model("m", made, threshold=0.6)], key="id", cardinality=2)
        .votes.ravel()
        .tolist()
    )


def test_classes_by_name_come_out_of_the_file(tmp_path: Path) -> None:
    named = ["spam" if y else "ham" for y in IS_SPAM]
    made = make_pipeline(TfidfVectorizer(lowercase=False), LogisticRegression(C=100)).fit(
        TEXTS, named
    )
    content = as_onnx(made, StringTensorType([None, 1]), zipmap=True)

    assert votes(found(tmp_path, content, "threshold=.6, labels={'spam': 0, 'ham': 1}")) == [
        0,
        -1,
        1,
    ]
    bare = found(tmp_path, content, "threshold=.6")
    assert votes(bare.voting(["spam", "ham"])) == [0, -1, 1]
    assert votes(bare.voting(["ham", "spam"])) == [1, -1, 0]
    assert (
        len({bare.found.voting(names).fingerprint for names in (["ham", "spam"], ["spam", "ham"])})
        == 2
    )
    with pytest.raises(LabelingFunctionError, match="votes 'ham', which is not a class"):
        votes(bare.voting(["yes", "no"]))


def test_a_table_of_numbers_goes_in_as_one(tmp_path: Path) -> None:
    made = LogisticRegression(C=100).fit(np.array([[0.0], [1.0]]), [0, 1])
    content = as_onnx(made, FloatTensorType([None, 1]), zipmap=False)

    assert votes(found(tmp_path, content, "columns=['n'], threshold=.6")) == [0, 1, ABSTAIN]


def test_the_fingerprint_is_that_of_the_bytes(tmp_path: Path) -> None:
    first = found(tmp_path, passes_on(), "columns=['n', 'm']")
    same = found(tmp_path, passes_on(), "columns=['n', 'm']")
    other_bytes = found(tmp_path, passes_on(output="other"), "columns=['n', 'm']")
    other_threshold = found(tmp_path, passes_on(), "columns=['n', 'm'], threshold=.9")

    assert first.found.safe
    assert same.found == first.found
    assert len({one.found.fingerprint for one in (first, other_bytes, other_threshold)}) == 3


def test_scores_that_are_no_probabilities_are_refused(tmp_path: Path) -> None:
    rows = pl.DataFrame({"id": [1], "n": [3.0], "m": [-1.0]})

    with pytest.raises(LabelingFunctionError, match="do not sum to 1"):
        votes(found(tmp_path, passes_on(), "columns=['n', 'm']"), rows)


def test_what_is_no_model_is_named(tmp_path: Path) -> None:
    with pytest.raises(LabelingFunctionError, match=r"m\.onnx of LF 'm' cannot be loaded"):
        votes(found(tmp_path, b"not a model", ""))
    (tmp_path / "m.onnx").unlink()
    with pytest.raises(LabelingFunctionError, match="cannot be read: No such file"):
        discover_lfs(tmp_path, tmp_path / "lfs")


def test_weights_in_a_second_file_are_refused(tmp_path: Path) -> None:
    """No fingerprint of ours would cover them."""
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, 2])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, [None, 2])
    weights = onnx.numpy_helper.from_array(np.eye(2, dtype=np.float32), "w")
    node = helper.make_node("MatMul", ["x", "w"], ["y"])
    graph = helper.make_graph([node], "g", [x], [y], [weights])
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save_model(
        made, tmp_path / "big.onnx", save_as_external_data=True, location="w.bin", size_threshold=0
    )

    one = found(tmp_path, (tmp_path / "big.onnx").read_bytes(), "columns=['n', 'm']")

    with pytest.raises(LabelingFunctionError, match="cannot be loaded"):
        votes(one, pl.DataFrame({"id": [1], "n": [1.0], "m": [0.0]}))


def test_a_file_that_nothing_loaded_says_where_to_take_the_lf_from() -> None:
    with pytest.raises(LabelingFunctionError, match="nothing loaded it") as error:
        model("m", "m.onnx").judge(ROWS)

    assert "Hub.open().labeling_functions()" in error.value.hint


def test_onnxruntime_is_imported_on_use_alone() -> None:
    code = "import sys, datahub.adapters.lfs_folder; sys.exit('onnxruntime' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
