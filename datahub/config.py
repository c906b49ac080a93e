"""Settings: flag > environment > datahub.toml > default.

The only reader of the environment and of datahub.toml. Every setting `name` is
`DATAHUB_NAME` in the environment and `name = ...` in datahub.toml; `lf_name` is `name` under [lf].
"""

from __future__ import annotations

import difflib
import getpass
import os
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from datahub.core.errors import ConfigError
from datahub.core.leaving import Leaving

FILE = "datahub.toml"
# The environment's alone: files are shared.
SECRETS = ("lakefs_secret_access_key", "verdict_secret")
STORES = ("embedded", "lakefs")
GUESSES = ("shown", "hidden")
COLUMN_KINDS = ("text", "title", "code", "image", "date")
QUEUES = ("embedded", "label-studio")
LABEL_MODELS = ("anchored", "dawid-skene", "weighted", "bayes", "snorkel", "majority")
END_MODELS = ("sklearn", "none")
ANY = "*"
LOOKS = ("auto", "words", "vectors", "both")
SANDBOXES = ("auto", "bwrap", "none")
OWN = "DATAHUB_"  # variables that begin so hold settings, secrets among them
MOST_SEED = 2**32 - 1  # what numpy and torch both take


@dataclass(frozen=True)
class Settings:
    """All settings of one project. `root` is the folder of its datahub.toml."""

    root: Path
    dataset: str = ""
    author: str = ""
    repository: str = ""  # its name on a server; the folder's without it
    store: str = "embedded"
    queue: str = "embedded"
    label_model: str = "anchored"
    end_model: str = "sklearn"
    end_model_columns: str = ""
    embedding_column: str = ""
    end_model_looks: str = "auto"  # where a dataset has vectors
    seed: int = 0
    max_fault_share: float = 0.01
    jobs: int = 1
    lf_sandbox: str = "auto"
    lf_environment: str = ""  # names of variables; these and the next: lists in datahub.toml
    lf_readable: str = ""  # paths that LFs read beside the project
    lf_memory: str = ""  # of one process that runs LFs; "none": no limit
    embed_model: str = ""  # a folder with model.onnx and tokenizer.json; a name at the endpoint
    embed_column: str = ""
    embed_max_tokens: int = 256
    embed_endpoint: str = ""
    embed_api_key: str = field(default="", repr=False)
    leaves_columns: str = "*"  # a list under [leaves]; "*": no rule
    budget: int = 100
    audit_share: float = 0.2
    overlap: int = 1
    column_kinds: str = ""
    guesses: str = "shown"
    max_error: float = 0.05
    confidence: float = 0.95
    unmeasured: str = "ask"
    min_text: int = 1
    discard_after: int = 2
    discard_below: float = 0.0
    labelstudio_url: str = ""
    labelstudio_token: str = ""
    labelstudio_port: int = 0
    labelstudio_environment: str = ""
    catalog_url: str = ""
    cache: str = ""  # a folder for what can be had again; `.datahub` without it
    lakefs_endpoint: str = ""
    lakefs_repository: str = ""
    lakefs_storage_namespace: str = ""
    lakefs_access_key_id: str = ""
    lakefs_secret_access_key: str = field(default="", repr=False)
    verdict_secret: str = field(default="", repr=False)
    prompt_endpoint: str = ""
    prompt_api_key: str = field(default="", repr=False)
    prompt_model: str = ""
    prompt_parallel: int = 4
    prompt_requests_per_minute: int = 0  # these and those below: 0 is no limit, or not known
    prompt_timeout: float = 60.0
    prompt_price_input: float = 0.0
    prompt_price_output: float = 0.0
    prompt_max_cost: float = 0.0
    prompt_max_requests: int = 0

    @property
    def kinds_of_columns(self) -> dict[str, str]:
        """Column -> what people are shown it as, where `column_kinds` says so."""
        pairs = [pair.rpartition("=") for pair in self.column_kinds.split(",") if pair.strip()]
        return {name.strip(): kind.strip() for name, _, kind in pairs}

    @property
    def leaving(self) -> Leaving:
        """Which columns may leave the machine."""
        columns = self.leaves_columns
        return Leaving() if columns == ANY else Leaving(tuple(listed(columns)))

    @property
    def own_folder(self) -> Path:
        """Where datahub keeps what is not the user's."""
        return self.root / ".datahub"

    @property
    def cache_folder(self) -> Path:
        """Where that goes which can be had again, from a server or for money."""
        return self.root / Path(self.cache).expanduser() if self.cache else self.own_folder

    @property
    def catalog(self) -> str:
        """Database URL of the catalog."""
        return self.catalog_url or f"sqlite:///{self.own_folder / 'catalog.db'}"

    @property
    def labelstudio_home(self) -> Path:
        """Virtual environment of Label Studio, shared by all projects of a user."""
        if self.labelstudio_environment:
            return Path(self.labelstudio_environment).expanduser()
        return Path("~/.cache/datahub/label-studio-1.23.2").expanduser()


def load(
    start: Path, *, flags: Mapping[str, Any] | None = None, environment: Mapping[str, str] | None
) -> Settings:
    """Settings of the project that `start` lies in. Raises ConfigError.

    `environment` None means the process's own.
    """
    variables = dict(os.environ) if environment is None else dict(environment)
    root = find_root(start)
    values: dict[str, Any] = {"author": _someone(variables)}
    values |= _from_file(root / FILE)
    values |= _from_environment(variables)
    values |= _from_flags(flags or {})
    return _checked(Settings(root=root, **values))


def from_environment() -> dict[str, Any]:
    """The settings that the process's environment gives. Raises ConfigError."""
    return _from_environment(dict(os.environ))


def unknown_variables(environment: Mapping[str, str] | None = None) -> list[str]:
    """A warning for each variable that is nearly a setting's: a typo would go unnoticed.

    `environment` None means the process's own.

    >>> unknown_variables({"DATAHUB_BUGDET": "7", "DATAHUB_BUDGET": "7", "DATAHUB_TEST": "1"})
    ['DATAHUB_BUGDET is set and is no setting. Did you mean DATAHUB_BUDGET?']
    """
    variables = os.environ if environment is None else environment
    settings = [f"{OWN}{name.upper()}" for name in _kinds()]
    unknown = sorted(set(variables).difference(settings))
    near = {
        name: difflib.get_close_matches(name, settings, n=1, cutoff=0.85)
        for name in unknown
        if name.upper().startswith(OWN)
    }
    return [
        f"{name} is set and is no setting. Did you mean {matches[0]}?"
        for name, matches in near.items()
        if matches
    ]


def find_root(start: Path) -> Path:
    """The nearest folder upwards with a datahub.toml. Raises ConfigError."""
    for folder in (start.resolve(), *start.resolve().parents):
        if (folder / FILE).is_file():
            return folder
    raise ConfigError(
        f"Neither {start.resolve()} nor a folder above it is a datahub project.",
        hint="`datahub init` makes one here.",
    )


def _someone(environment: Mapping[str, str]) -> str:
    try:
        return environment.get("GIT_AUTHOR_NAME") or getpass.getuser()
    except (KeyError, OSError):  # no such user in a bare container
        return "unknown"


def _kinds() -> dict[str, type]:
    kinds = {"str": str, "int": int, "float": float}
    return {f.name: kinds[str(f.type)] for f in fields(Settings) if f.name != "root"}


def _from_file(path: Path) -> dict[str, Any]:
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"{path.name} cannot be read: {error}", hint="Fix the file.") from error
    for table in ("lf", "leaves"):
        raw |= _table(raw.pop(table, {}), table, path.name)
    _check_names(raw, f"{path.name} has")
    for name in raw.keys() & set(SECRETS):
        raise ConfigError(
            f"{path.name} holds {name}: a file that is committed and shared.",
            hint=f"Take it out, and set DATAHUB_{name.upper()} in the environment.",
        )
    return {name: _typed(name, value, f"{path.name}") for name, value in raw.items()}


def _from_flags(flags: Mapping[str, Any]) -> dict[str, Any]:
    _check_names(flags, "The call has")
    return {
        name: _typed(name, value, "The call") for name, value in flags.items() if value is not None
    }


def _check_names(names: Iterable[str], where: str) -> None:
    unknown = sorted(set(names) - set(_kinds()))
    if not unknown:
        return
    near = difflib.get_close_matches(unknown[0], _kinds(), n=1)
    raise ConfigError(
        f"{where} an unknown setting {unknown[0]!r}.",
        hint=f"Did you mean {near[0]!r}?" if near else f"Settings are {', '.join(_kinds())}.",
    )


def _table(table: object, name: str, where: str) -> dict[str, Any]:
    """What stands under [lf] or [leaves], by the names that settings have."""
    if not isinstance(table, dict):
        raise ConfigError(
            f"{where}: {name} is {table!r}.", hint=f"Write [{name}], and its settings below."
        )
    values = {}
    for setting, value in table.items():
        is_list = isinstance(value, list) and all(isinstance(part, str) for part in value)
        if name == "leaves" and is_list:
            _check_leaving(value, where)
        values[f"{name}_{setting}"] = ",".join(value) if is_list else value
    return values


def _check_leaving(columns: list[str], where: str) -> None:
    """Raise ConfigError for names that would be read as others: the rule would be wider."""
    for column in columns:
        if not column or column != column.strip() or "," in column or column == ANY:
            raise ConfigError(
                f"{where}: [leaves] columns names {column!r}.",
                hint="Write names of columns, without commas and blanks around them; leave the "
                "rule out where all may leave.",
            )


def listed(text: str) -> list[str]:
    """The parts of a setting that is a list.

    >>> listed("A, B,")
    ['A', 'B']
    """
    return [part.strip() for part in text.split(",") if part.strip()]


def _from_environment(environment: Mapping[str, str]) -> dict[str, Any]:
    variables = {name: f"{OWN}{name.upper()}" for name in _kinds()}
    return {
        name: _typed(name, environment[variable], variable)
        for name, variable in variables.items()
        if environment.get(variable)
    }


def _typed(name: str, value: object, where: str) -> Any:
    kind = _kinds()[name]
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        raise ConfigError(f"{where}: {name} is {value!r}.", hint=f"Write a {kind.__name__}.")
    try:
        if kind is int and isinstance(value, float):
            raise ValueError(value)  # int() would cut it
        return kind(value)
    except ValueError as error:
        raise ConfigError(
            f"{where}: {name} is {value!r}.", hint=f"Write a {kind.__name__}."
        ) from error


def _checked(settings: Settings) -> Settings:
    _check_choices(settings)
    _check_texts(settings)
    _check_numbers(settings)
    return settings


def _check_choices(settings: Settings) -> None:
    for name, value, choices in (
        ("store", settings.store, STORES),
        ("queue", settings.queue, QUEUES),
        ("guesses", settings.guesses, GUESSES),
        ("label_model", settings.label_model, LABEL_MODELS),
        ("end_model", settings.end_model, END_MODELS),
        ("end_model_looks", settings.end_model_looks, LOOKS),
        ("lf_sandbox", settings.lf_sandbox, SANDBOXES),
    ):
        if value not in choices:
            raise ConfigError(f"{name} is {value!r}.", hint=f"It is one of {', '.join(choices)}.")


def _check_texts(settings: Settings) -> None:
    for name in listed(settings.lf_environment):
        if name.upper().startswith(OWN):
            raise ConfigError(
                f"[lf] environment names {name}: settings of datahub, some of them secret.",
                hint="LFs see no variable that begins with DATAHUB_. Give it another name.",
            )
    for name, kind in settings.kinds_of_columns.items():
        if not name or kind not in COLUMN_KINDS:
            raise ConfigError(
                f"column_kinds says {name}={kind}.",
                hint='Write it as "headline=title, body=code"; a kind is one of '
                f"{', '.join(COLUMN_KINDS)}.",
            )


def _check_numbers(settings: Settings) -> None:
    for name, least in (
        ("budget", 1),
        ("jobs", 1),
        ("overlap", 1),
        ("prompt_parallel", 1),
        ("prompt_requests_per_minute", 0),
        ("prompt_timeout", 0.001),
        ("prompt_price_input", 0),
        ("prompt_price_output", 0),
        ("prompt_max_cost", 0),
        ("prompt_max_requests", 0),
    ):
        if not getattr(settings, name) >= least:  # NaN is none either
            raise ConfigError(
                f"{name} is {getattr(settings, name)}.", hint=f"It is {least} or more."
            )
    for name, most in (("seed", MOST_SEED), ("labelstudio_port", 65_535)):
        if not 0 <= getattr(settings, name) <= most:
            raise ConfigError(
                f"{name} is {getattr(settings, name)}.", hint=f"It is a number from 0 to {most}."
            )
    for name, share in (
        ("max_fault_share", settings.max_fault_share),
        ("audit_share", settings.audit_share),
    ):
        if not 0 <= share <= 1:
            raise ConfigError(f"{name} is {share}.", hint="It is a share between 0 and 1.")
