"""Inputs of the labeling-function cases: texts from a seed, and ten LFs in two spellings.

Texts are short and like the first lines of news: words by Zipf's law, a few of a topic. The ten
LFs are written once as datahub's declarative ones and once as functions for Snorkel's
decorator; both spellings vote alike.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import polars as pl

from datahub.core.dataset import ROWS_PER_PART, Dataset, Part
from datahub.core.errors import ConfigError
from datahub.core.layout import dataset_file, table_part
from datahub.core.versions import Changes, ObjectId
from datahub.hub import Hub

CLASSES = ("business", "entertainment", "politics", "sport", "tech")
TOPICS = (
    ("bank", "shares", "profit", "market", "economy", "oil", "growth", "sales"),
    ("film", "actor", "music", "album", "award", "band", "star", "festival"),
    ("minister", "election", "party", "labour", "vote", "government", "tax", "blair"),
    ("match", "goal", "cup", "coach", "team", "injury", "striker", "champion"),
    ("software", "users", "phone", "mobile", "internet", "web", "computer", "virus"),
)
WORDS = 9  # in a text
_COMMON = """
    the to of and a in said for on that was is with it as at by he from his be has
"""
_SYLLABLES = """
    ba ce di fo gu ha ki lo me nu pa re si to vu wa ze
"""

DECLARED = """\
import polars as pl

from datahub import expression, keywords, regex, threshold

LFS = [
    keywords("market", ["shares", "profit", "market"], 0),
    keywords("stage", ["film", "actor", "album"], 1),
    keywords("poll", ["election", "minister", "labour"], 2),
    keywords("pitch", ["match", "striker", "cup"], 3),
    keywords("screen", ["software", "internet", "virus"], 4),
    regex("money", r"\\b(bank|oil)\\w* \\w+", 0),
    regex("year", r"\\b(19|20)\\d\\d\\b", 2),
    keywords("prize", ["award", "champion"], 1, at_least=2),
    threshold("late", "hour", 3, above=21),
    expression("brief", pl.col("text").str.len_chars() < 36, 4),
]
"""

SNORKEL = """\
import re

from snorkel.labeling import labeling_function


def words(*given):
    return re.compile(r"\\b(?:" + "|".join(given) + r")\\b", re.IGNORECASE)


MARKET, STAGE = words("shares", "profit", "market"), words("film", "actor", "album")
POLL, PITCH = words("election", "minister", "labour"), words("match", "striker", "cup")
SCREEN, AWARD, CHAMPION = words("software", "internet", "virus"), words("award"), words("champion")
MONEY = re.compile(r"\\b(bank|oil)\\w* \\w+", re.IGNORECASE)
YEAR = re.compile(r"\\b(19|20)\\d\\d\\b", re.IGNORECASE)


@labeling_function()
def market(x):
    return 0 if MARKET.search(x.text) else -1


@labeling_function()
def stage(x):
    return 1 if STAGE.search(x.text) else -1


@labeling_function()
def poll(x):
    return 2 if POLL.search(x.text) else -1


@labeling_function()
def pitch(x):
    return 3 if PITCH.search(x.text) else -1


@labeling_function()
def screen(x):
    return 4 if SCREEN.search(x.text) else -1


@labeling_function()
def money(x):
    return 0 if MONEY.search(x.text) else -1


@labeling_function()
def year(x):
    return 2 if YEAR.search(x.text) else -1


@labeling_function()
def prize(x):
    return 1 if AWARD.search(x.text) and CHAMPION.search(x.text) else -1


@labeling_function()
def late(x):
    return 3 if x.hour > 21 else -1


@labeling_function()
def brief(x):
    return 4 if len(x.text) < 36 else -1


LFS = [market, stage, poll, pitch, screen, money, year, prize, late, brief]
"""


THRESHOLD = 0.4
MODELLED = f"""\\
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from datahub import model

EXAMPLES = [
    "shares profit market bank oil",
    "film actor award album band",
    "election minister labour vote party",
    "match striker cup coach champion",
    "software internet virus phone game",
]
fitted = make_pipeline(CountVectorizer(), LogisticRegression(C=10, random_state=0))
fitted.fit(EXAMPLES, [0, 1, 2, 3, 4])
topic = model("topic", fitted, threshold={THRESHOLD})
"""


def texts(part: int, rows: int = ROWS_PER_PART, *, words: int = WORDS) -> pl.DataFrame:
    """One part of the texts: the same for the same number, whatever was made before it."""
    rng = np.random.default_rng((5, part))
    parts = _SYLLABLES.split()
    made = np.array([a + b + c for a in parts for b in parts for c in parts[:8]])
    years = np.array([str(year) for year in range(1960, 2030)])
    vocabulary = pl.Series(np.concatenate([_COMMON.split(), made, years]))
    ranks = np.minimum(rng.zipf(1.3, (words, rows)) - 1, len(vocabulary) - 1)
    columns = [vocabulary.gather(line).alias(str(i)) for i, line in enumerate(ranks)]
    topics = pl.Series([word for topic in TOPICS for word in topic])
    about = rng.integers(0, len(TOPICS), rows) * len(TOPICS[0])
    for at in (2, 6):
        word = topics.gather(about + rng.integers(0, len(TOPICS[0]), rows))
        told = pl.Series(rng.random(rows) < 0.3)
        columns[at] = pl.select(pl.when(told).then(word).otherwise(columns[at])).to_series()
    frame = pl.DataFrame([column.alias(str(i)) for i, column in enumerate(columns)])
    return frame.select(
        id=pl.int_range(part * ROWS_PER_PART, part * ROWS_PER_PART + rows, dtype=pl.Int64),
        text=pl.concat_str(pl.all(), separator=" "),
        hour=pl.Series(rng.integers(0, 24, rows, dtype=np.int8)),
    )


def project(
    folder: Path,
    *,
    rows: int,
    suffix: str = ".parquet",
    lfs: str = DECLARED,
    words: int | None = None,
) -> Hub:
    """A project of so many texts in committed parts, made where it is not there; and its LFs."""
    if not _usable(folder):
        shutil.rmtree(folder, ignore_errors=True)
        hub, _ = Hub.init(folder, dataset="news")
        made = partial(texts, words=words or WORDS)
        commit(hub, range(rows // ROWS_PER_PART), suffix, texts=made)
        (folder / "done").touch()
    write_lfs(folder, lfs)
    return Hub.open(folder)


def _usable(folder: Path) -> bool:
    """Whether the project is whole, and of a format that this datahub reads."""
    try:
        return (folder / "done").exists() and bool(Hub.open(folder).store)
    except ConfigError:
        return False


def write_lfs(folder: Path, lfs: str) -> None:
    """Make these the project's only LFs."""
    (folder / "labeling_functions" / "first.py").write_text(lfs, encoding="utf-8")


def commit(
    hub: Hub,
    parts: range,
    suffix: str,
    *,
    texts: Callable[[int], pl.DataFrame] = texts,
    classes: tuple[str, ...] = CLASSES,
) -> Dataset:
    """Commit parts as the rows of `news`, straight into the store."""
    changes: dict[str, ObjectId | None] = {}
    kept: list[Part] = []
    columns: tuple[tuple[str, str], ...] = ()
    for number in parts:
        frame = texts(number)
        staged = hub.store.stage(suffix)
        hub.rows.write(frame, staged)
        oid = hub.store.put(staged)
        changes[table_part("news", "rows", oid)] = oid
        kept.append(Part(oid, frame.height, frame["id"][0], frame["id"][-1]))
        columns = tuple((name, str(kind)) for name, kind in frame.schema.items())
    dataset = Dataset("news", "id", columns, tuple(kept), classes, text="text")
    changes[dataset_file("news")] = hub.store.put(dataset.to_json().encode())
    commit_changes(hub, changes, "Made texts")
    return dataset


def commit_changes(hub: Hub, changes: Changes, message: str) -> None:
    """Commit changes of objects, as no command would."""
    hub.store.commit(
        hub.branch,
        changes,
        message=message,
        author="bench",
        time=hub.clock(),
        expected=hub.store.commit_at(hub.branch).id,
    )
