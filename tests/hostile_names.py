"""The whole path over rows whose keys and columns have names that an expression could misread."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from tests.integration.conftest import Datahub

LFS = """\
from datahub import ABSTAIN, keywords, expression
from snorkel.labeling import labeling_function
import polars as pl

offer = keywords("offer", ["prize", "free"], 1, column={text!r})
thanks = keywords("thanks", ["thanks", "dinner"], 0, column={text!r})
label = expression("label", pl.col({text!r}).str.len_chars() > 30, 1)


@labeling_function()
def key(x):
    return 0 if "tomorrow" in x[{text!r}] else ABSTAIN
"""
WORDS = (
    "a prize for you, free of charge and call",
    "thanks, see you at dinner tomorrow",
    "well ok",
)
GATES = '[[gate]]\nbranch = "main"\ndataset = "mail"\ntable = "labels"\nsuite = "labels.json"\n'

Content = dict[str, dict[str, Any]]


def walk(
    datahub: Datahub, folder: Path, *, key: str, keys: Sequence[str], text: str, more: Sequence[str]
) -> tuple[Content, Content]:
    """Take rows the whole path; return (rows of main at the end, what they should be).

    `keys` are at least 12, all different. `key` and `text` name their columns; `more` are columns
    that are nothing but content. Every command has to exit 0, or 3 where there is a conflict.
    """
    rows = {
        name: {key: name, text: WORDS[i % 3], **{column: f"{column} {i}" for column in more}}
        for i, name in enumerate(keys)
    }
    gold = {name: ("spam", "ham", "ham")[i % 3] for i, name in enumerate(keys)}
    old, new = keys[::2], keys[1::2]

    def file(names: Sequence[str]) -> str:
        frame = pl.DataFrame([{**rows[name], "the gold": gold[name]} for name in names])
        frame.write_parquet(folder / "rows.parquet")
        return "rows.parquet"

    def run(*words: str, code: int = 0) -> str:
        ran = datahub(*words)
        assert ran.code == code, (words, ran.code, ran.out, ran.err)
        return ran.out

    def take(names: Sequence[str], *words: str) -> None:
        run("import", file(names), "--key", key, "--gold", "the gold", *words)

    def label() -> None:
        run("lf", "run")
        run("label", "fit")

    run("init", "--dataset", "mail")
    (folder / "labeling_functions" / "first.py").write_text(LFS.format(text=text))
    _write_gate(folder, key=key)
    take(old, "--classes", "ham,spam")
    label()
    take(new, "--append")  # over labels, between keys that are there
    rows[keys[0]][text], rows[keys[3]][text] = "thanks for the free prize", "dinner tomorrow"
    take([keys[0], keys[3]], "--upsert")
    label()
    _answer(run, folder, key=key, wrong=gold)
    run("branch", "create", "two")
    rows[keys[1]][text] = "ours"
    rows[keys[4]][text] = "thanks, ours alone"
    take([keys[1], keys[4]], "--upsert", "--yes")
    mine = {name: dict(row) for name, row in rows.items()}
    rows[keys[1]][text], rows[keys[5]][text] = "theirs", "free, theirs alone"
    run("switch", "two")
    take([keys[1], keys[5]], "--upsert", "--yes")
    run("switch", "main")
    run("merge", "two", code=3)
    run("merge", "two", "--theirs", "--yes")
    run("gate", "set", "--reason", "names")
    label_on_a_branch(run)
    run("diff", "main~1", "main", "--rows", "--json")
    for name in (keys[0], keys[1], keys[-1]):
        run("why", "--json", "--", name)
    run("export", "rows.csv", "--table", "rows")
    run("export", "labels.parquet")
    run("review", "report")
    wanted = {name: mine[name] | {text: rows[name][text]} for name in keys}
    wanted[keys[4]] = mine[keys[4]]
    labeled = pl.read_parquet(folder / "labels.parquet")
    content = [{name: row[name] for name in wanted[keys[0]]} for row in labeled.to_dicts()]
    assert {row[key]: row for row in content} == wanted
    run("export", "rows.parquet", "--table", "rows")
    rows_out = pl.read_parquet(folder / "rows.parquet")
    return {row[key]: row for row in rows_out.to_dicts()}, wanted


def label_on_a_branch(run: Any) -> None:
    """Label the rows on a branch, and merge it through the gate."""
    run("switch", "-c", "work")
    run("lf", "run")
    run("label", "fit")
    run("switch", "main")
    run("merge", "work", "--theirs")


def _answer(run: Any, folder: Path, *, key: str, wrong: Mapping[str, str]) -> None:
    run("review", "push", "--budget", "6")
    tasks = json.loads(run("review", "answer", "--list", "--json"))
    answers = pl.DataFrame(
        {key: [t["key"] for t in tasks], "label": [wrong[t["key"]] for t in tasks]}
    )
    answers.write_csv(folder / "answers.csv")
    run("review", "answer", "--csv", "answers.csv")
    run("review", "pull")


def _write_gate(folder: Path, *, key: str) -> None:
    kinds = ["expect_column_values_to_be_unique", "expect_column_values_to_not_be_null"]
    if not key:  # Great Expectations speaks of no column without a name
        key, kinds = "label", ["expect_column_to_exist"]
    suite = {
        "name": "labels",
        "expectations": [{"type": kind, "kwargs": {"column": key}} for kind in kinds],
    }
    (folder / "expectations" / "labels.json").write_text(json.dumps(suite))
    (folder / "expectations" / "gates.toml").write_text(GATES)
