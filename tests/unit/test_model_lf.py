"""A model as a labeling function: one call a batch, a threshold, and honest faults."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.compose import ColumnTransformer
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from snorkel.labeling import LFAnalysis, PandasLFApplier

from datahub import ABSTAIN, model
from datahub.core.errors import LabelingFunctionError
from datahub.core.labeling import apply

TEXTS = ["free prize", "win a prize", "prize now", "dinner at home", "see you at home", "home soon"]
SPAM = ["spam"] * 3 + ["ham"] * 3


def fitted() -> Any:
    return make_pipeline(TfidfVectorizer(), LogisticRegression(C=100)).fit(TEXTS, SPAM)


class Says:
    """A classifier that says the probability of class 1 written in the text, and counts calls."""

    def __init__(self, classes: Sequence[Any] = (0, 1)) -> None:
        self.classes_ = classes
        self.asked: list[int] = []

    def predict_proba(self, texts: Sequence[str]) -> np.ndarray[Any, Any]:
        self.asked.append(len(texts))
        p = np.array([float(text) for text in texts])
        return np.column_stack([1 - p, p])


class Gives:
    """A classifier that gives the same answer to everything."""

    def __init__(self, answer: object, classes: object = (0, 1)) -> None:
        self.answer = answer
        if classes is not None:
            self.classes_ = classes

    def predict_proba(self, texts: Sequence[str]) -> object:
        return self.answer


def frame(texts: Sequence[str | None]) -> pl.DataFrame:
    return pl.DataFrame(
        {"id": range(len(texts)), "text": texts}, schema={"id": pl.Int64, "text": pl.String}
    )


def applied(lf: Any, texts: Sequence[str | None], *, cardinality: int = 2) -> Any:
    return apply(frame(texts), [lf], key="id", cardinality=cardinality)


def test_it_votes_what_the_model_predicts_where_it_is_sure() -> None:
    lf = model("spam", fitted(), labels={"spam": 1, "ham": 0}, threshold=0.6)

    votes = applied(lf, ["a free prize", None, "at home", "unheard words"]).votes

    assert votes.ravel().tolist() == [1, ABSTAIN, 0, ABSTAIN]


def test_a_batch_is_one_call_and_nulls_are_not_sent() -> None:
    says = Says()

    votes = applied(model("p", says), ["0.9", None, "0.1", "0.5", "0.79"]).votes

    assert says.asked == [4]
    assert votes.ravel().tolist() == [1, ABSTAIN, 0, ABSTAIN, ABSTAIN]


@pytest.mark.parametrize("texts", [[], [None], [None, None]])
def test_where_there_is_nothing_to_judge_the_model_is_not_asked(texts: list[str | None]) -> None:
    says = Says()

    votes = applied(model("p", says), texts).votes

    assert votes.shape == (len(texts), 1)
    assert (votes == ABSTAIN).all()
    assert says.asked == []


def test_a_tie_at_the_threshold_is_no_vote() -> None:
    assert applied(model("p", Says(), threshold=0.5), ["0.5"]).votes.item() == ABSTAIN


@settings(max_examples=60)
@given(st.lists(st.sampled_from(["0.9", "0.2", "0.5", "boom", "nan", None]), max_size=40))
def test_a_batch_says_of_each_row_what_the_row_alone_would_say(texts: list[str | None]) -> None:
    """Whatever else is in the batch, and a fault is one row's."""
    whole = applied(model("p", Says()), texts)

    alone = [applied(model("p", Says()), [text]) for text in texts]
    assert whole.votes.ravel().tolist() == [one.votes.item() for one in alone]
    assert whole.fault_counts == (sum(one.fault_counts[0] for one in alone),)
    lost = [i for i, text in enumerate(texts) if text in ("boom", "nan")]
    assert sorted(fault.key for fault in whole.faults) == lost[:20]


def test_a_fault_names_the_row_the_error_and_the_line() -> None:
    found = applied(model("p", Says()), ["0.9", "boom", "0.1"])

    (fault,) = found.faults
    assert (fault.lf, fault.key) == ("p", 1)
    assert fault.error == "ValueError: could not convert string to float: 'boom'"
    assert fault.where.startswith(__file__)


def test_classes_that_mean_the_same_are_added_up_and_one_may_mean_nothing() -> None:
    answer = [[0.45, 0.4, 0.15]]
    same = model("a", Gives(answer, ["x", "y", "z"]), labels={"x": 1, "y": 1, "z": 0})
    none = model("b", Gives(answer, ["x", "y", "z"]), labels={"x": -1, "y": -1, "z": 0})

    votes = apply(frame(["t"]), [same, none], key="id", cardinality=2).votes

    assert votes.tolist() == [[1, ABSTAIN]]


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ([0.2, 0.8], "gave list for 1 rows"),
        (np.ones((3, 2)) / 2, r"gave \(3, 2\) for 1 rows"),
        ("no", "gave str for 1 rows"),
        ([[2.5, -3.0]], "no probabilities"),
        ([[0.9, 0.9]], "no probabilities"),
        ([[0.2, 0.3, 0.5]], "has 2 classes and gave 3 columns"),
    ],
)
def test_an_answer_that_is_none_stops_the_run(answer: object, said: str) -> None:
    with pytest.raises(LabelingFunctionError, match=said):
        applied(model("p", Gives(answer)), ["t"])


@pytest.mark.parametrize(
    ("classes", "labels", "said"),
    [
        ([0.5, 1.5], None, "has the classes 0.5, 1.5"),
        (["spam", "ham"], {"spam": 1}, "'ham' is not in labels"),
        (["spam", "ham"], {"spam": 1, "ham": 0, "eggs": 0}, "'eggs' is none of them"),
        (["spam", "ham"], {"spam": 1.5, "ham": 0}, "takes 'spam' for 1.5"),
        (["spam", "ham"], {}, "labels without an entry"),
        ([False, True], None, "has the classes False, True"),
        ([0, 500], None, "has the classes 0, 500"),
    ],
)
def test_classes_that_are_not_explained_are_refused_at_once(
    classes: list[Any], labels: Any, said: str
) -> None:
    with pytest.raises(LabelingFunctionError, match=said):
        model("p", Gives(None, np.array(classes)), labels=labels)


@pytest.mark.parametrize(
    "labels", [None, {"ham": "ham", "spam": "spam"}, ["ham", "spam"], {"ham": 0, "spam": "spam"}]
)
def test_classes_go_by_name_as_by_number(labels: Any) -> None:
    """In any order of the dataset's: which number a name has is for the dataset to say."""
    names = [0, 1] if isinstance(labels, list) else ["ham", "spam"]
    lf = model("p", Says(names), labels=labels, threshold=0.6)

    turned = [lf.for_classes(["spam", "ham"]), lf.for_classes(["ham", "spam"])]

    by_number = 0 if labels == {"ham": 0, "spam": "spam"} else 1
    assert applied(turned[0], ["0.1", "0.9"]).votes.tolist() == [[by_number], [0]]
    assert applied(turned[1], ["0.1", "0.9"]).votes.tolist() == [[0], [1]]


def test_a_name_that_is_no_class_is_refused_with_those_that_are() -> None:
    lf = model("p", Says(), labels={0: "ham", 1: "spma"})

    with pytest.raises(LabelingFunctionError, match="votes 'spma', which is not a class") as caught:
        lf.for_classes(["ham", "spam"])

    assert caught.value.hint == "Did you mean 'spam'? The classes are ham, spam."


def test_a_name_without_a_dataset_says_where_to_get_its_number() -> None:
    with pytest.raises(LabelingFunctionError, match="no dataset has said their numbers"):
        applied(model("p", Says(), labels={0: "ham", 1: "spam"}), ["0.9"])


def test_a_class_that_the_dataset_has_not_stops_the_run() -> None:
    with pytest.raises(LabelingFunctionError, match="returned 1 on row 0; there are 1 classes"):
        applied(model("p", Says()), ["0.9"], cardinality=1)


@pytest.mark.parametrize("predictor", ["spam.pkl", "spam.joblib", 7, LogisticRegression])
def test_what_is_no_classifier_is_refused(predictor: Any) -> None:
    with pytest.raises(LabelingFunctionError, match=r"has this as its model|predict_proba"):
        model("p", predictor).judge(frame(["t"]))


@pytest.mark.parametrize("threshold", [0, -1, 1.1, float("nan"), "0.8"])
def test_a_threshold_is_a_probability(threshold: Any) -> None:
    with pytest.raises(LabelingFunctionError, match="threshold"):
        model("p", Says(), threshold=threshold)


def test_a_missing_column_is_named() -> None:
    with pytest.raises(LabelingFunctionError, match="there is no column 'body'"):
        applied(model("p", Says(), column="body"), ["0.9"])


def test_a_table_of_columns_goes_in_as_the_model_was_fitted() -> None:
    """Names where it was fitted with names, numbers alone where it was not."""
    rows = pl.DataFrame({"id": [1, 2, 3], "a b": [0.0, 9.0, None], "n.x": [1, 2, 3]})
    features, answers = pd.DataFrame({"a b": [0.0, 9.0], "n.x": [1, 2]}), [0, 1]
    plain = LogisticRegression(C=100).fit(features.to_numpy(), answers)
    named = make_pipeline(
        ColumnTransformer([("n", StandardScaler(), ["a b", "n.x"])]), LogisticRegression(C=100)
    ).fit(features, answers)

    lfs = [
        model(name, one, columns=["a b", "n.x"], threshold=0.6)
        for name, one in (("plain", plain), ("named", named))
    ]

    votes = apply(rows, lfs, key="id", cardinality=2).votes
    assert votes.tolist() == [[0, 0], [1, 1], [ABSTAIN, ABSTAIN]]


def test_a_number_that_is_nan_is_no_value_in_a_batch_as_on_a_row() -> None:
    lf = model("n", LogisticRegression().fit([[0.0], [9.0]], [0, 1]), columns=["n"])
    rows = pl.DataFrame({"id": [1, 2, 3], "n": [9.0, float("nan"), None]})

    applied = apply(rows, [lf], key="id", cardinality=2)

    assert applied.fault_counts == (0,)
    assert applied.votes.ravel().tolist() == [1, ABSTAIN, ABSTAIN]
    assert PandasLFApplier([lf]).apply(rows.to_pandas(), progress_bar=False).tolist() == [
        [1],
        [ABSTAIN],
        [ABSTAIN],
    ]


def test_it_fits_snorkels_applier_and_analysis() -> None:
    lf = model("spam", fitted(), labels={"spam": 1, "ham": 0}, threshold=0.6)
    texts = ["a free prize", None, "at home"]

    votes = PandasLFApplier([lf]).apply(pd.DataFrame({"text": texts}), progress_bar=False)

    assert votes.tolist() == applied(lf, texts).votes.tolist()
    assert LFAnalysis(votes, [lf]).lf_summary()["Coverage"]["spam"] == pytest.approx(2 / 3)


def test_a_call_on_a_row_that_it_cannot_take_says_so() -> None:
    from types import SimpleNamespace

    with pytest.raises(LabelingFunctionError, match="'p': ValueError: could not convert"):
        model("p", Says())(SimpleNamespace(text="boom"))
