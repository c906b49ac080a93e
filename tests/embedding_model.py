"""A small sentence model of its own, made here: a folder with model.onnx and tokenizer.json.

Each word has a vector; a text's vector is their mean. It is a real ONNX file and a real tokenizer,
and takes no download.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

WORDS = ["[UNK]", "free", "prize", "win", "dinner", "lunch", "team", "meeting"]
DIMENSION = 4
VECTORS = np.array(
    [
        [0, 0, 0, 1],  # every word that is not known
        [1, 0, 0, 0],
        [0.9, 0.1, 0, 0],
        [0.95, 0, 0.05, 0],
        [0, 1, 0, 0],
        [0.05, 0.9, 0, 0],
        [0, 0, 1, 0],
        [0, 0.1, 0.9, 0],
    ],
    dtype=np.float32,
)


def make(folder: Path, *, scale: float = 1.0, nan: bool = False) -> Path:
    """Write the model; another `scale` is another model with the same directions."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel
    from tokenizers.normalizers import Lowercase
    from tokenizers.pre_tokenizers import Whitespace

    folder.mkdir(parents=True, exist_ok=True)
    vectors = VECTORS * np.float32("nan" if nan else scale)
    kind = TensorProto.INT64
    graph = helper.make_graph(
        [helper.make_node("Gather", ["words", "input_ids"], ["last_hidden_state"])],
        "words",
        [helper.make_tensor_value_info("input_ids", kind, ["n", "t"])],
        [
            helper.make_tensor_value_info(
                "last_hidden_state", TensorProto.FLOAT, ["n", "t", DIMENSION]
            )
        ],
        [numpy_helper.from_array(vectors, "words")],
    )
    opset = [helper.make_opsetid("", 17)]
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=9), folder / "model.onnx")
    words = {word: number for number, word in enumerate(WORDS)}
    tokenizer = Tokenizer(WordLevel(words, unk_token="[UNK]"))
    tokenizer.normalizer = Lowercase()
    tokenizer.pre_tokenizer = Whitespace()
    tokenizer.save(str(folder / "tokenizer.json"))
    return folder
