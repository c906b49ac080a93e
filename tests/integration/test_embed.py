"""`datahub embed` and `datahub similar` as a person uses them, with a real ONNX model."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import polars as pl
import pytest

from tests import embedding_model
from tests.integration.conftest import Datahub

TEXTS = ["free prize", "win a prize", "dinner", "team meeting", None, " ", "lunch with the team"]


def write(path: Path, texts: Sequence[str | None], *, first: int = 0) -> str:
    ids = list(range(first, first + len(texts)))
    pl.DataFrame({"id": ids, "text": texts}, schema_overrides={"text": pl.String}).write_parquet(
        path
    )
    return str(path)


@pytest.fixture
def embedded(datahub: Datahub, tmp_path: Path) -> Path:
    """A project with seven rows and their vectors, on main."""
    assert datahub("init", "--dataset", "mail").code == 0
    embedding_model.make(tmp_path / "mini")
    with (tmp_path / "datahub.toml").open("a") as settings:
        settings.write('embed_model = "mini"\n')
    rows = write(tmp_path / "rows.parquet", TEXTS)
    assert datahub("import", rows, "--key", "id", "--classes", "ham,spam").code == 0
    ran = datahub("embed", "--json")
    assert ran.code == 0, ran.err
    assert (ran.json["embedded"], ran.json["empty"], ran.json["dimension"]) == (7, 2, 4)
    return tmp_path


def keys(datahub: Datahub, *words: str) -> list[int | str]:
    ran = datahub("similar", *words, "--json")
    assert ran.code == 0, ran.err
    return [row["key"] for row in ran.json]


def test_rows_like_a_row_and_like_a_text(datahub: Datahub, embedded: Path) -> None:
    assert keys(datahub, "0", "-n", "2")[0] == 1
    assert keys(datahub, "team", "-n", "2") == [3, 6]
    assert keys(datahub, "0", "--text", "-n", "1") != [0]  # "0" is a word that is not known
    text = datahub("similar", "0", "-n", "1").out
    assert text.splitlines()[1].split("\t")[1:] == ["1", "", "win a prize"]


def test_rows_without_text_are_like_nothing(datahub: Datahub, embedded: Path) -> None:
    ran = datahub("similar", "4")

    assert ran.code == 2
    assert "has no text" in ran.err


def test_embedding_again_changes_nothing(datahub: Datahub, embedded: Path) -> None:
    again = datahub("embed", "--json").json

    assert (again["embedded"], again["changed"], again["dimension"]) == (0, False, 4)


def test_an_append_keeps_vectors_and_status_says_which_rows_lack_them(
    datahub: Datahub, embedded: Path
) -> None:
    more = write(embedded / "more.parquet", ["free lunch"] * 3, first=100)
    assert datahub("import", more, "--append").code == 0

    refused = datahub("similar", "0")
    status = datahub("status")
    report = datahub("embed", "--json").json

    assert refused.code == 2
    assert "rows of 'mail' have no vectors yet" in refused.err
    assert "rows of mail have no vectors yet" in status.out
    assert report["rows"] == 10
    assert "no vectors" not in datahub("status").out
    assert keys(datahub, "free lunch", "-n", "3") == [100, 101, 102]


def test_a_branch_has_vectors_of_its_own_and_merges_them(datahub: Datahub, embedded: Path) -> None:
    assert datahub("switch", "-c", "work").code == 0
    rows = write(embedded / "more.parquet", ["meeting"], first=3)
    assert datahub("import", rows, "--upsert").code == 0
    assert datahub("embed").code == 0
    assert keys(datahub, "meeting", "-n", "1") == [3]

    assert datahub("merge", "work", "--into", "main").code == 0

    assert keys(datahub, "meeting", "-n", "1", "--ref", "main") == [3]
    assert datahub("fsck").code == 0


def test_a_dry_run_computes_nothing_and_says_where_texts_would_go(
    datahub: Datahub, embedded: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATAHUB_EMBED_ENDPOINT", "http://127.0.0.1:9/v1")
    head = datahub("log", "-n", "1", "--json").json

    plan = datahub("embed", "--dry-run", "--json").json
    text = datahub("embed", "--dry-run").out

    assert (plan["missing"], plan["destination"]) == (7, "http://127.0.0.1:9/v1")
    assert plan["characters"] == sum(len(text or "") for text in TEXTS)
    assert "texts go to http://127.0.0.1:9/v1" in text
    assert datahub("log", "-n", "1", "--json").json == head


def test_a_text_is_not_compared_with_vectors_of_another_model(
    datahub: Datahub, embedded: Path
) -> None:
    embedding_model.make(embedded / "mini", scale=2)

    ran = datahub("similar", "free prize")

    assert ran.code == 2
    assert "another model" in ran.err
    assert keys(datahub, "0", "-n", "1") == [1]  # rows are compared by what is there
    assert datahub("embed", "--json").json["embedded"] == 7


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["embed", "--column", "id"], "is Int64, and no text"),
        (["embed", "--column", "no"], "has no column 'no'"),
        (["similar", "99", "--dataset", "none"], "none"),
    ],
)
def test_bad_input_says_what_to_do(
    datahub: Datahub, embedded: Path, words: list[str], says: str
) -> None:
    ran = datahub(*words, "--json")

    assert ran.code in (2, 5)
    error = json.loads(ran.err)["error"]
    assert says in error["message"]
    assert error["hint"]


def test_without_a_model_or_vectors_it_says_so(datahub: Datahub, project: Path) -> None:
    nothing, unset = datahub("similar", "0"), datahub("embed")

    assert (nothing.code, unset.code) == (5, 2)
    assert "has no vectors" in nothing.err
    assert "No embedding model is named" in unset.err


def test_text_keys_and_a_folder_that_is_gone(datahub: Datahub, tmp_path: Path) -> None:
    assert datahub("init", "--dataset", "mail").code == 0
    embedding_model.make(tmp_path / "mini")
    frame = pl.DataFrame({"id": ["7", "a'b", "*"], "text": ["free", "prize", "dinner"]})
    frame.write_parquet(tmp_path / "rows.parquet")
    (tmp_path / "datahub.toml").open("a").write('embed_model = "mini"\n')
    assert datahub("import", "rows.parquet", "--key", "id").code == 0
    assert datahub("embed").code == 0

    assert keys(datahub, "7", "-n", "1") == ["a'b"]
    assert keys(datahub, "a'b", "-n", "1") == ["7"]
    assert keys(datahub, "*", "-n", "2") == ["a'b", "7"]
    (tmp_path / "mini" / "model.onnx").unlink()
    assert "has no model.onnx" in datahub("embed").err
