"""The Python API: every use case as one call on the project in hand.

    from datahub import Hub
    hub = Hub.open()                      # the project this folder lies in
    hub.import_rows("articles.parquet", dataset="news", gold="topic")

Adapters are made on first use. Steps commit on `branch`, the project's current one
unless `Hub.open(..., branch=...)` names another.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from datahub import config
from datahub.core.dataset import checked_name
from datahub.hub.labeling import Labeling
from datahub.hub.publishing import Publishing
from datahub.hub.registry import adapter, load
from datahub.hub.reviewing import Reviewing
from datahub.hub.scaffold import files as scaffold_files
from datahub.shared_files import shared_folder


class Hub(Labeling, Reviewing, Publishing):
    """One project: its settings, its adapters, its use cases."""

    @classmethod
    def open(cls, start: Path | str = ".", *, branch: str | None = None, **settings: Any) -> Hub:
        """The project that a folder lies in. Raises ConfigError where there is none."""
        return cls(config.load(Path(start), flags=settings, environment=None), branch=branch)

    @classmethod
    def init(cls, folder: Path | str, *, dataset: str) -> tuple[Hub, list[str]]:
        """Make a folder a project; return it and the files that were written.

        Raises Conflict when it is one already.
        """
        root = Path(folder)
        project = load("datahub.adapters.project_folder:ProjectFolder")(root)
        project.check_new()
        written = project.scaffold(scaffold_files(checked_name(dataset)))
        hub = cls(config.load(root, environment=None))
        adapter("version_store", "embedded").create(
            hub.settings.own_folder, branch="main", author=hub.settings.author, time=hub.clock()
        )
        hub.catalog.upgrade()
        project.switch("main")
        return hub, written

    def take_demo_files(self) -> None:
        """Put the demo's articles, labeling functions and rules into the project's folder.

        Raises ConfigError when the extra `demo` is not installed.
        """
        articles = load("datahub.adapters.corpus_bbc:bbc_articles")()
        self.rows.write(articles, self.settings.root / "articles.parquet")
        self.project.copy_in(shared_folder("labeling_functions"), "labeling_functions", "news.py")
        self.project.copy_in(shared_folder("expectations"), "expectations", "*")
