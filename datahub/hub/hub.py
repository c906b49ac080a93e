"""The Python API: every use case as one call on the project in hand.

    from datahub import Hub
    hub = Hub.open()                      # the project this folder lies in
    hub.import_rows("articles.parquet", dataset="news", gold="topic")

Adapters are made on first use. Steps commit on `branch`, the project's current one
unless `Hub.open(..., branch=...)` names another.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from datahub import config
from datahub.core.dataset import checked_name
from datahub.core.errors import ConfigError
from datahub.flow.steps import JobStamp, Progress, quiet
from datahub.hub.access import Access
from datahub.hub.embedding import Embedding
from datahub.hub.fork import Forking
from datahub.hub.importing import Importing
from datahub.hub.jobs import Jobs
from datahub.hub.reading import Reading
from datahub.hub.registry import load
from datahub.hub.reviewing import Reviewing
from datahub.hub.scaffold import files as scaffold_files
from datahub.hub.versioning import Versioning
from datahub.hub.watching import Watching
from datahub.hub.wiring import Warn, unheard
from datahub.machine.installed import shared_folder


class Hub(Access, Importing, Jobs, Forking, Embedding, Reading, Reviewing, Versioning, Watching):
    """One project: its settings, its adapters, its use cases."""

    @classmethod
    def open(
        cls,
        start: Path | str = ".",
        *,
        branch: str | None = None,
        progress: Progress = quiet,
        warn: Warn = unheard,
        **settings: Any,
    ) -> Hub:
        """The project that a folder lies in. Raises ConfigError where there is none.

        `progress(what, done, total)` and `warn(text)` are called as the work goes on, in the
        thread that does it; nothing is printed.
        """
        project_settings = config.load(Path(start), flags=settings, environment=None)
        hub = cls(project_settings, branch=branch, progress=progress, warn=warn)
        hub.warn_once(config.unknown_variables())
        return hub

    def on(
        self,
        branch: str | None,
        *,
        author: str | None = None,
        head: str = "",
        job: JobStamp | None = None,
    ) -> Hub:
        """This hub on another branch, with the same connections: one for each thread, say.

        `author` is who commits there; without it, who does here. None is the current branch.
        With `head`, a step starts from that commit, or raises StaleHead. `job` marks its commits.
        """
        view = type(self)(
            self.settings if author is None else replace(self.settings, author=author),
            branch=branch,
            head=head,
            job=job,
            progress=self.progress,
            warn=self.warn,
            clock=self.clock,
        )
        view._parts, view.warnings, view._warning = self._parts, self.warnings, self._warning
        return view

    def close(self) -> None:
        """Give all connections back; later calls raise HubClosed, those of its views too."""
        self._parts.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        state = (
            "closed" if self._parts.is_closed else f"branch={self._branch or 'the current one'!r}"
        )
        return f"<Hub {str(self.settings.root)!r} store={self.settings.store!r} {state}>"

    @classmethod
    def init(cls, folder: Path | str, *, dataset: str, **settings: str) -> tuple[Hub, list[str]]:
        """Make a folder a project; return it and the files that were written.

        `settings` (store, lakefs_endpoint, lakefs_repository) are written to its datahub.toml,
        but for secrets. Raises Conflict when it is one already.
        """
        root = Path(folder)
        project = load("datahub.adapters.project_folder:ProjectFolder")(root)
        project.check_new()
        secret = {name: value for name, value in settings.items() if name in config.SECRETS}
        choices = {name: value for name, value in settings.items() if name not in config.SECRETS}
        files = project.scaffold(scaffold_files(checked_name(dataset), choices))
        hub = cls(config.load(root, flags=secret, environment=None))
        _check_chosen(hub.settings, choices)
        hub.make_store()
        hub.catalog.upgrade()
        project.switch("main")
        return hub, files

    @staticmethod
    @contextmanager
    def lakefs(folder: Path) -> Iterator[dict[str, str]]:
        """Settings of a lakeFS server: that of the environment, or one started here.

        One that is started keeps all it has in `folder`, from an executable `lakefs` on the PATH,
        and is stopped at the end. Raises ConfigError where there is neither.
        """
        if config.from_environment().get("lakefs_endpoint"):
            yield {}
            return
        executable = shutil.which("lakefs")
        if executable is None:
            raise ConfigError(
                "There is no lakeFS server: none is named, and no `lakefs` is on the PATH.",
                hint="Set DATAHUB_LAKEFS_ENDPOINT, DATAHUB_LAKEFS_ACCESS_KEY_ID and "
                "DATAHUB_LAKEFS_SECRET_ACCESS_KEY, or put the executable on the PATH.",
            )
        start = load("datahub.adapters.lakefs_server:running_in")
        with start(folder, executable=Path(executable)) as info:
            yield {
                "lakefs_endpoint": info.endpoint,
                "lakefs_access_key_id": info.access_key_id,
                "lakefs_secret_access_key": info.secret_access_key,
            }

    def upgrade_catalog(self) -> str:
        """Bring the schema of the catalog to the newest revision; return it."""
        return self.catalog.upgrade()

    def take_demo_files(self) -> None:
        """Put the demo's articles, labeling functions and rules into the project's folder.

        Raises ConfigError when the extra `demo` is not installed.
        """
        articles = load("datahub.adapters.corpus_bbc:bbc_articles")()
        self.rows.write(articles, self.settings.root / "articles.parquet")
        self.project.copy_in(shared_folder("labeling_functions"), "labeling_functions", "news.py")
        self.project.copy_in(shared_folder("expectations"), "expectations", "*")


def _check_chosen(settings: config.Settings, choices: Mapping[str, str]) -> None:
    """A datahub.toml that was there before is not overwritten, so it must say the same."""
    for name, value in choices.items():
        if value and getattr(settings, name) != value:
            raise ConfigError(
                f"datahub.toml is there already, and {name} is {getattr(settings, name)!r}, "
                f"not {value!r}.",
                hint=f'Write {name} = "{value}" in it, or leave the option out.',
            )
