"""Backends that the settings alone decide, each made on first use."""

from __future__ import annotations

from dataclasses import fields
from typing import Any, Literal

from datahub import config
from datahub.core import signing
from datahub.core.errors import ConfigError
from datahub.core.features import Looks
from datahub.core.looks import LOOKS
from datahub.core.outcome import Policy
from datahub.hub.parts import Parts, once
from datahub.hub.registry import adapter, load
from datahub.ports import EndModel, GateEngine, PartProfiles, Rows, VoteJournal


class Backends:
    """What needs no version store, no catalog and no branch."""

    settings: config.Settings
    _parts: Parts

    @once
    def rows(self) -> Rows:
        """Tables in files."""
        rows: Rows = adapter("rows", "polars")()
        return rows

    @once
    def verdict_secrets(self) -> dict[str, str]:
        """The secrets that sign verdicts, by their ids. Raises ConfigError for a weak one."""
        return signing.secrets_of(self.settings.verdict_secret)

    @once
    def gate(self) -> GateEngine:
        """The judge of candidates."""
        whole: GateEngine = adapter("gate", "great-expectations")()  # which loads itself on use
        folder = self.settings.cache_folder / "profiles"
        gate: GateEngine = adapter("gate", "polars")(self.rows, whole, folder)
        return gate

    @once
    def part_profiles(self) -> PartProfiles:
        """What was measured of parts before."""
        make = load("datahub.adapters.part_profiles:FolderProfiles")
        profiles: PartProfiles = make(self.settings.cache_folder / "profiles" / "measures")
        return profiles

    @once
    def vote_journal(self) -> VoteJournal:
        """What a run of LFs stored that has not committed yet."""
        make = load("datahub.adapters.vote_journal:FileJournal")
        journal: VoteJournal = make(self.settings.cache_folder / "lf_run.journal")
        return journal

    @once
    def labelstudio(self) -> Any:
        """The Label Studio server of this project."""
        make = load("datahub.adapters.labelstudio_server:LabelStudioServer")
        return make(
            self.settings.own_folder / "labelstudio",
            environment=self.settings.labelstudio_home,
            port=self.settings.labelstudio_port or None,
        )

    @property
    def policy(self) -> Policy:
        """What becomes of rows. Raises ConfigError where the settings make no policy."""
        names = (field.name for field in fields(Policy))
        return Policy(**{name: getattr(self.settings, name) for name in names})

    @property
    def end_model(self) -> EndModel | None:
        """The second opinion, if one is wanted."""
        return named_end_model(self.settings.end_model)

    @property
    def end_model_columns(self) -> list[str]:
        """Columns that the end model is to look at; empty: the default."""
        return config.listed(self.settings.end_model_columns)

    @property
    def end_model_looks(self) -> Looks | Literal["auto"]:
        """What the end model is to look at where a dataset has vectors."""
        looks = next((looks for looks in LOOKS if looks == self.settings.end_model_looks), None)
        return looks or "auto"


def named_end_model(name: str) -> EndModel | None:
    """The end model of a name; `none`: no second opinion. Raises ConfigError: no such one."""
    if name not in config.END_MODELS:
        raise ConfigError(
            f"There is no end model {name!r}.", hint=f"There are: {', '.join(config.END_MODELS)}."
        )
    model: EndModel | None = None if name == "none" else adapter("end_model", name)()
    return model
