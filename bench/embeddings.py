"""Labels with and without embeddings: what the end model looks at, on six published sets.

$BENCH_EMBED_MODEL is a folder with model.onnx and tokenizer.json; docs/embeddings.md says which
was tried. `chosen` is what `label fit` takes where a dataset has vectors. A tie of t classes is 1/t
right.
"""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from bench.accuracy import published_there
from bench.harness import Case, Figures, Result, Watch
from bench.label_models import right_by
from bench.product import DEFAULT, both_say, label_model_says, rightness
from bench.vote_sets import SIX, Problem, published

AT_ONCE = 500
COLUMNS = (
    "set",
    "Snorkel, %",
    "majority, %",
    "words, %",
    "vectors, %",
    "both, %",
    "chosen",
    "chosen, %",
    "words to chosen, points",
)


def six(watch: Watch) -> Figures:
    """A line a set, and their mean."""
    assert watch.data is not None
    lines = [_line(published(watch.data, name)) for name in SIX]
    numbers = [[line[i] for line in lines] for i in (1, 2, 3, 4, 5, 7, 8)]
    means = [float(np.mean(column)) for column in numbers]
    lines.append(("mean", *means[:5], "", *means[5:]))
    table = [tuple(f"{x:.1f}" if isinstance(x, float) else x for x in line) for line in lines]
    return {"columns": COLUMNS, "table": table, "lines": lines}


def _line(problem: Problem) -> tuple[Any, ...]:
    from datahub.core.features import Features
    from datahub.core.looks import LOOKS, choose_looks, likelihood
    from datahub.flow.dataset.features import out_of_fold
    from datahub.hub.registry import adapter

    there, truth = problem.covered, problem.truth[problem.covered]
    soft = label_model_says(DEFAULT, problem.votes, problem.cardinality)[there]
    texts = [text for text, has in zip(problem.texts, there, strict=True) if has]
    features = replace(Features.of_texts(texts), vectors="vectors")
    frame = features.frame.with_columns(vectors=pl.Series(_vectors(texts)))
    features = replace(features, frame=frame)
    keys = pl.int_range(len(texts), eager=True)
    right, values = {}, {}
    for looks in LOOKS:
        some = features.looking_at(looks)
        right[looks] = 100 * float(rightness(both_say(soft, some), truth).mean())
        said = out_of_fold(adapter("end_model", "sklearn")(), keys, some, soft, seed=0)
        values[looks] = likelihood(soft, said) or 0.0
    sizes = likelihood(soft, np.tile(soft.mean(axis=0), (len(soft), 1))) or 0.0
    chosen = choose_looks(values, nothing=sizes)
    peers = [
        100 * float(right_by(peer, problem, end_model=False).mean())
        for peer in ("snorkel", "majority")
    ]
    gain = right[chosen] - right["words"]
    return (problem.name, *peers, *(right[x] for x in LOOKS), chosen, right[chosen], gain)


def _vectors(texts: list[str]) -> Any:
    """Vectors as a dataset keeps them, in half precision."""
    from datahub.core.vectors import from_bytes, to_bytes
    from datahub.hub.registry import adapter

    embedder = adapter("embedder", "onnx")(Path(os.environ["BENCH_EMBED_MODEL"]), max_tokens=256)
    pieces = [embedder.embed(texts[i : i + AT_ONCE]) for i in range(0, len(texts), AT_ONCE)]
    whole = np.concatenate(pieces)
    return from_bytes(to_bytes(whole), rows=len(whole), dimension=whole.shape[1])


def no_harm(result: Result) -> bool:
    """On no set half a point below words, above them on the mean; TREC at 62 or more."""
    lines: list[list[Any]] = result.figures["ours"]["lines"]
    trec = next(line for line in lines if line[0] == "wrench_trec")
    return bool(min(line[8] for line in lines) >= -0.5 and lines[-1][8] > 0 and trec[7] >= 62)


def _there(watch: Watch) -> str:
    if not os.environ.get("BENCH_EMBED_MODEL"):
        return "$BENCH_EMBED_MODEL names no folder with a sentence model"
    return next((why for why in (published_there(name)(watch) for name in SIX) if why), "")


CASES: tuple[Case, ...] = (
    Case(
        "labels_embeddings",
        "Labels that are right with and without embeddings, six published sets",
        six,
        no_peer="Snorkel's and majority vote are columns of the table",
        goal="nowhere 0.5 points below words alone, above them on the mean, TREC 62 or more",
        met=no_harm,
        needs=_there,
        timeout=7200.0,
    ),
)
