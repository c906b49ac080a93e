"""What `datahub label fit` and `label compare` come to, by the command line."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from datahub import Hub
from datahub.core.layout import label_model_file
from datahub.core.manifest import ModelManifest
from tests.integration.conftest import LFS, Datahub, mail

COPIES = "".join(
    f'\nalso{i} = keywords("also{i}", ["thanks", "tomorrow", "dinner"], HAM)' for i in range(4)
)


@pytest.fixture
def partly(datahub: Datahub, labeled: Path) -> Path:
    """The project without the LF that votes on most messages of people."""
    (labeled / "labeling_functions" / "first.py").write_text(
        LFS.replace('thanks", "tomorrow', "gladly")
    )
    for words in (["lf", "run"], ["label", "fit"]):
        assert datahub(*words).code == 0
    return labeled


def soft_labels(datahub: Datahub) -> pl.DataFrame:
    """The table as it is exported."""
    assert datahub("export", "soft.parquet", "--table", "soft_labels").code == 0
    return pl.read_parquet("soft.parquet")


def test_labels_are_of_both_models_and_both_are_kept(datahub: Datahub, partly: Path) -> None:
    """The product, renormalised, where an LF voted; nothing where none did."""
    table = soft_labels(datahub)
    both = table.drop_nulls("probabilities")

    assert both.height == table.drop_nulls("model_probabilities").height < table.height
    for line in both.iter_rows(named=True):
        product = [
            p * q
            for p, q in zip(line["model_probabilities"], line["end_probabilities"], strict=True)
        ]
        assert line["probabilities"] == pytest.approx([p / sum(product) for p in product])
    uncovered = table.filter(pl.col("probabilities").is_null())
    assert uncovered["label"].null_count() == uncovered.height
    assert uncovered["end_label"].null_count() == 0


def test_the_end_model_can_be_switched_off(datahub: Datahub, labeled: Path) -> None:
    """Labels are the label model's alone, and the manifest of the commit says so."""
    fitted = datahub("label", "fit", "--end-model", "none", "--json").json
    table = soft_labels(datahub)

    assert (fitted["model"], fitted["end_model"]) == ("anchored", "none")
    assert fitted["changed_by_end_model"] == 0
    assert table["probabilities"].to_list() == table["model_probabilities"].to_list()
    assert table["end_label"].null_count() == table.height


def test_covered_and_uncovered_rows_are_told_apart(datahub: Datahub, partly: Path) -> None:
    fitted = datahub("label", "fit", "--seed", "1", "--json").json

    assert fitted["covered"] + fitted["uncovered"] == fitted["rows"] == mail().height
    assert fitted["statuses"]["unlabeled"] == fitted["uncovered"] > 0


@pytest.mark.parametrize(
    ("words", "said"), [("0.6,0.4", "given"), ("estimated", "estimated"), ("", "uniform")]
)
def test_how_the_class_balance_was_got_is_told(
    datahub: Datahub, labeled: Path, words: str, said: str
) -> None:
    """Given, estimated from the majority vote, or uniform."""
    ran = datahub("label", "fit", "--model", "bayes", "--class-balance", words, "--json")

    assert ran.json["balance_from"] == said
    assert sum(ran.json["class_balance"].values()) == pytest.approx(1)
    assert (ran.json["class_balance"]["ham"] == 0.5) == (said == "uniform")


def test_lfs_that_repeat_one_another_are_named(datahub: Datahub, labeled: Path) -> None:
    """And share a vote between them."""
    (labeled / "labeling_functions" / "first.py").write_text(LFS + COPIES)
    assert datahub("lf", "run").code == 0

    fitted = datahub("label", "fit", "--json").json

    group = next(group for group in fitted["correlated"] if "thanks" in group["lfs"])
    shares = dict(zip(group["lfs"], group["shares"], strict=True))
    assert {"also0", "also1", "also2", "also3", "thanks"} <= set(shares)
    assert shares["thanks"] == pytest.approx(shares["also3"])
    assert shares["thanks"] <= 0.2 + 1e-9
    assert "repeat one another" in datahub("label", "fit", "--seed", "3").out


@pytest.mark.parametrize("model", ["snorkel", "majority"])
def test_a_model_that_cannot_count_copies_as_fewer_says_so(
    datahub: Datahub, labeled: Path, model: str
) -> None:
    """The words and the manifest tell what was done, not what another model would do."""
    (labeled / "labeling_functions" / "first.py").write_text(LFS + COPIES)
    assert datahub("lf", "run").code == 0

    said = datahub("label", "fit", "--model", model).out
    fitted = datahub("label", "fit", "--model", model, "--json").json

    assert "repeat one another, each counted in full: " in said
    assert {share for group in fitted["correlated"] for share in group["shares"]} == {1.0}


def test_pair_counts_brought_up_to_date_are_those_of_a_full_count(
    datahub: Datahub, labeled: Path
) -> None:
    """Edited, added, removed: the commit holds the same bytes as one that never counted before."""
    path = "datasets/mail/pair_counts.bin"
    lfs = labeled / "labeling_functions" / "first.py"
    datahub("label", "fit", "--model", "snorkel")
    first = datahub("show", "work", "--json").json["objects"][path]
    lfs.write_text(LFS.replace('"prize", ', "").replace("thanks = ", "warm = ") + COPIES)
    datahub("lf", "run")
    datahub("label", "fit", "--model", "bayes")
    updated = datahub("show", "work", "--json").json["objects"]
    datahub("switch", "main")
    datahub("switch", "-c", "again")
    datahub("lf", "run")
    datahub("label", "fit", "--model", "bayes")

    again = datahub("show", "again", "--json").json["objects"]

    assert again[path] == updated[path] != first
    assert again["datasets/mail/label_model.json"] == updated["datasets/mail/label_model.json"]
    datahub("label", "fit")
    assert path not in datahub("show", "again", "--json").json["objects"]


def test_models_are_compared_and_nothing_is_committed(datahub: Datahub, labeled: Path) -> None:
    """A line a model, alone and with the end model; accuracies with what they stand on."""
    head = datahub("log", "work", "--json").json[0]["id"]

    found = datahub("label", "compare", "--seeds", "2", "--json").json

    names = {"anchored", "dawid-skene", "weighted", "bayes", "snorkel", "majority"}
    lines = {line["model"]: line for line in found["models"]}
    assert set(lines) == names | {f"{name}*sklearn" for name in names}
    assert found["default"] == "anchored*sklearn"
    for name, line in lines.items():
        assert set(line["agreement"]) == set(lines) - {name}
        low, high = line["interval"]
        assert 0 <= low <= line["accuracy"] <= high <= 1
        assert line["gold_rows"] == found["covered"]
        assert len(line["accuracies"]) == 2
    assert lines["majority"]["seed_spread"] == 0
    assert datahub("log", "work", "--json").json[0]["id"] == head
    assert "95% interval" in datahub("label", "compare", "--seeds", "1", "--end-model", "none").out


def test_a_model_that_cannot_be_fitted_is_left_out_with_its_reason(
    datahub: Datahub, labeled: Path
) -> None:
    """Two LFs are too few for Snorkel's, and enough for the others."""
    lfs = LFS.split("@labeling_function")[0].replace(
        'thanks = keywords("thanks"', "_ = (lambda *x: 0)(0"
    )
    (labeled / "labeling_functions" / "first.py").write_text(lfs)
    datahub("lf", "run")

    found = datahub("label", "compare", "--seeds", "1", "--json").json

    left_out = {line["model"]: line["left_out"] for line in found["models"] if line["left_out"]}
    assert list(left_out) == ["snorkel"]
    assert "3 LFs" in left_out["snorkel"]


def test_a_comparison_without_a_seed_is_refused(datahub: Datahub, labeled: Path) -> None:
    assert datahub("label", "compare", "--seeds", "0").code == 2


def test_a_comparison_without_gold_says_nothing_of_accuracy(
    datahub: Datahub, tmp_path: Path
) -> None:
    assert datahub("init", "--dataset", "mail").code == 0
    (tmp_path / "labeling_functions" / "first.py").write_text(LFS)
    mail().drop("kind").write_parquet("bare.parquet")
    datahub("import", "bare.parquet", "--key", "id", "--classes", "ham,spam")
    datahub("lf", "run")

    found = datahub("label", "compare", "--seeds", "1", "--end-model", "none", "--json").json

    assert {line["accuracy"] for line in found["models"]} == {None}
    assert all(line["estimated"] > 0.5 for line in found["models"])


def test_labels_are_held_against_gold(datahub: Datahub, labeled: Path) -> None:
    """By group, with what each share stands on; counted again here from the exported tables."""
    scored = datahub("label", "score", "--json").json
    assert datahub("export", "labels.parquet", "--table", "labels").code == 0
    labels = pl.read_parquet("labels.parquet").sort("id")
    gold = mail().select("id", gold="kind")
    joined = labels.join(gold, on="id")
    right = joined.filter(pl.col("label") == pl.col("gold")).height

    assert scored["everything"] == {
        "rows": joined.height,
        "labeled": labels.drop_nulls("label").height,
        "right": right,
    }
    assert scored["accepted"]["rows"] == 0  # nothing was audited
    assert scored["not_asked"]["rows"] == joined.height
    assert set(labels["status"]) <= {"unmeasured", "doubted", "unlabeled"}
    assert "right of labeled" in datahub("label", "score").out


def test_the_label_models_own_options_are_given_and_kept(datahub: Datahub, labeled: Path) -> None:
    """They decide what is learned, so the commit says them."""
    plain = datahub("label", "fit", "--model", "snorkel", "--json").json
    options = ("--option", "lr=0.05", "--option", "n_epochs=20", "--option", "l2=0.1")
    given = datahub("label", "fit", "--model", "snorkel", *options, "--json").json
    store, path = Hub.open(labeled).store, label_model_file("mail")
    model = ModelManifest.from_json(store.read(store.objects(given["commit"]["id"], path)[path]))

    assert model.options == {"lr": 0.05, "n_epochs": 20, "l2": 0.1}
    assert given["weights"] != plain["weights"]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--option", "depth=3"], "no option 'depth'"),
        (["--option", "lr"], "no NAME=NUMBER"),
        (["--model", "majority", "--option", "lr=1"], "no option 'lr'"),
        (["--model", "snorkel", "--option", "n_epochs=2.5"], "n_epochs cannot be 2.5"),
        (["--model", "snorkel", "--option", "lr=nan"], "lr cannot be nan"),
        (["--option", "prior_right=2"], "prior_right cannot be 2"),
    ],
)
def test_an_option_that_is_none_is_refused(
    datahub: Datahub, labeled: Path, words: list[str], says: str
) -> None:
    ran = datahub("label", "fit", *words)

    assert ran.code == 2
    assert says in ran.err
