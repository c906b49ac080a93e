"""Settings: flag > environment > datahub.toml > default."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import pytest

from datahub.config import Settings, load
from datahub.core.errors import ConfigError


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A project whose file sets the budget."""
    (tmp_path / "datahub.toml").write_text('dataset = "news"\nbudget = 7\n')
    return tmp_path


def test_each_source_goes_before_the_next(root: Path) -> None:
    """Flag, environment, file, default."""
    environment = {"DATAHUB_BUDGET": "8"}

    assert load(root, flags={"budget": 9}, environment=environment).budget == 9
    assert load(root, environment=environment).budget == 8
    assert load(root, environment={}).budget == 7
    assert load(root, environment={}).seed == 0


def test_a_flag_that_was_not_given_is_no_flag(root: Path) -> None:
    """None leaves the next source its say."""
    assert load(root, flags={"budget": None}, environment={}).budget == 7


def test_a_project_is_found_from_within_its_folders(root: Path) -> None:
    """As git finds its repository."""
    inner = root / "a" / "b"
    inner.mkdir(parents=True)

    assert load(inner, environment={}).root == root.resolve()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("budget = 'many'", "budget"),
        ("budget = true", "budget"),
        ("[budget]\nx = 1", "budget"),
        ("colour = 1", "colour"),
        ("budget", "datahub.toml"),
        ("label_model = 'oracle'", "oracle"),
        ("audit_share = 2", "audit_share"),
        ("budget = 0", "budget"),
        ("budget = 2.5", "budget"),
        ("jobs = 0", "jobs"),
        ("seed = -1", "seed"),
        ("seed = 4294967296", "seed"),
        ("labelstudio_port = 65536", "labelstudio_port"),
        ("store = 'cvs'", "cvs"),
        ("lakefs_secret_access_key = 'x'", "lakefs_secret_access_key"),
    ],
)
def test_a_setting_that_cannot_be_is_named(root: Path, text: str, says: str) -> None:
    """The error names the setting or the file, the hint what it may be."""
    (root / "datahub.toml").write_text(text)

    with pytest.raises(ConfigError, match=says) as caught:
        load(root, environment={})

    assert caught.value.hint


def test_an_environment_variable_that_cannot_be_is_named(root: Path) -> None:
    """By the variable, not by the setting: that is what the user typed."""
    with pytest.raises(ConfigError, match="DATAHUB_SEED"):
        load(root, environment={"DATAHUB_SEED": "x"})


def test_a_secret_is_not_in_what_settings_print(root: Path) -> None:
    environment = {"DATAHUB_LAKEFS_SECRET_ACCESS_KEY": "hush"}

    settings = load(root, environment=environment)

    assert settings.lakefs_secret_access_key == "hush"
    assert "hush" not in repr(settings)


def test_an_unknown_setting_is_refused_with_the_nearest_name(root: Path) -> None:
    """Given by a caller, or written in the file."""
    (root / "typo").mkdir()
    (root / "typo" / "datahub.toml").write_text("bugdet = 7\n")

    with pytest.raises(ConfigError, match="'sed'") as called:
        load(root, flags={"sed": 7}, environment={})
    with pytest.raises(ConfigError, match="'bugdet'") as written:
        load(root / "typo", environment={})

    assert "'seed'" in called.value.hint
    assert "'budget'" in written.value.hint


def test_a_setting_of_a_call_is_checked_as_one_of_the_file(root: Path) -> None:
    with pytest.raises(ConfigError, match="seed"):
        load(root, flags={"seed": "many"}, environment={})


def test_every_setting_is_on_the_settings_page() -> None:
    page = (Path(__file__).parents[2] / "docs" / "settings.md").read_text(encoding="utf-8")

    missing = [f.name for f in fields(Settings) if f.name != "root" and f"`{f.name}`" not in page]

    assert missing == []
