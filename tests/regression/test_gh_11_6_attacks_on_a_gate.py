"""Attacks on a gate and its audit that were not tried before; a gate that could not run is none.

Each begins with main guarded, and on `work` a change that its gate would refuse.
"""

from __future__ import annotations

import datetime as dt
import json
import shutil
from contextlib import suppress
from pathlib import Path

import polars as pl
import pytest

from datahub import Hub
from datahub.core.errors import DatahubError, GateError, GateRefused
from datahub.core.layout import VERDICT
from tests import tampering
from tests.integration.conftest import GATES, LFS, SUITE, mail

LONG_AGO = dt.datetime(1999, 1, 1, tzinfo=dt.UTC)
HARMLESS = {
    "name": "rows",
    "expectations": [{"type": "expect_column_to_exist", "kwargs": {"column": "id"}}],
}
NEVER = {"type": "expect_column_values_to_be_in_set"} | {
    "kwargs": {"column": "text", "value_set": ["neither"]}
}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with labels on `good`, which main takes, and rows on `work`, which it does not."""
    folder = tmp_path_factory.mktemp("made") / "project"
    hub, _ = Hub.init(folder, dataset="mail")
    (folder / "labeling_functions" / "first.py").write_text(LFS)
    (folder / "expectations" / "labels.json").write_text(json.dumps(SUITE))
    (folder / "expectations" / "gates.toml").write_text(GATES)
    mail().write_parquet(folder / "mail.parquet")
    hub.import_rows(folder / "mail.parquet", key="id", gold="kind")
    hub.create_branch("work", at="main")
    hub.gate_set(reason="spam stays below 60%")
    hub.create_branch("good", at="main")
    hub.on("good").lf_run()
    hub.on("good").label_fit()
    (folder / "notes.txt").write_text("no labels")
    hub.on("work").commit(["notes.txt"], message="notes")
    return folder


@pytest.fixture
def hub(made: Path, tmp_path: Path) -> Hub:
    """A copy of it."""
    return Hub.open(shutil.copytree(made, tmp_path / "project"))


def rules(hub: Hub) -> Path:
    return hub.settings.root / "expectations"


def still_guarded(hub: Hub) -> None:
    """Main takes what is good, and nothing else, and its audit is clean."""
    with pytest.raises((GateError, GateRefused)):
        hub.merge("work", into="main")
    assert hub.merge("good", into="main").checks == 2
    assert hub.audit("main").clean


def without_gates(folder: Path) -> None:
    (folder / "gates.toml").write_text("")
    (folder / "labels.json").write_text(json.dumps(HARMLESS))


# The folder of the rules


def test_rules_in_a_linked_folder_of_the_project_are_rules(hub: Hub) -> None:
    """They were committed as files of where the link leads, and those of main taken away."""
    rules(hub).rename(hub.settings.root / "gates")
    rules(hub).symlink_to("gates")
    suite = {**SUITE, "expectations": [*SUITE["expectations"], NEVER]}
    (rules(hub) / "labels.json").write_text(json.dumps(suite))

    hub.gate_set(reason="a third expectation")

    tree = hub.store.objects("main")
    assert "expectations/gates.toml" in tree
    assert not any(path.startswith("gates/") for path in tree)
    with pytest.raises(GateError):  # there is no column `text` in labels
        hub.merge("good", into="main")


@pytest.mark.parametrize("kind", ["folder", "file", "folder within"])
@pytest.mark.parametrize("unguard", [False, True])
def test_rules_outside_of_the_project_are_none(
    hub: Hub, tmp_path: Path, kind: str, unguard: bool
) -> None:
    outside = tmp_path / "outside"
    shutil.copytree(rules(hub), outside)
    without_gates(outside)
    if kind == "folder":
        shutil.rmtree(rules(hub))
        rules(hub).symlink_to(outside)
    elif kind == "file":
        (rules(hub) / "gates.toml").unlink()
        (rules(hub) / "gates.toml").symlink_to(outside / "gates.toml")
    else:
        (rules(hub) / "more").symlink_to(outside)

    with pytest.raises(DatahubError, match="outside the project"):
        hub.gate_set(reason="links", unguard=unguard)

    still_guarded(hub)


def test_a_link_to_nothing_takes_no_rule_away(hub: Hub) -> None:
    """The file was passed over, as one that is not there."""
    (rules(hub) / "gates.toml").unlink()
    (rules(hub) / "gates.toml").symlink_to("nothing.toml")

    with pytest.raises(DatahubError):
        hub.gate_set(reason="links", unguard=True)

    still_guarded(hub)


# gates.toml and suites as text


@pytest.mark.parametrize(
    "text",
    [
        GATES + 'branch = "other"\n',
        GATES.replace('"main"', '"other"\nbranch = "main"'),
        GATES.replace("branch", '"branch"\nbranch'),
        "\ufeff" + GATES,
        GATES.replace("main", "Main"),
        GATES.replace("main", "ma\u0131n"),
        GATES.replace("labels.json", "Labels.json"),
        GATES.replace("labels.json", "labe\u0301ls.json"),
        GATES.replace("labels.json", "../expectations/labels.json"),
        GATES.replace("[[gate]]", "[[Gate]]"),
    ],
)
def test_rules_that_only_look_right_are_not_set(hub: Hub, text: str) -> None:
    """Keys twice, another case, another form of a letter, a mark before the first letter."""
    (rules(hub) / "gates.toml").write_text(text, encoding="utf-8")

    with pytest.raises(DatahubError):
        hub.gate_set(reason="look right")

    still_guarded(hub)


def test_a_name_of_a_suite_is_that_name_letter_by_letter(hub: Hub) -> None:
    """One e with an accent, or e and an accent after it: two names, as on disk."""
    (rules(hub) / "labels.json").rename(rules(hub) / "labe\u0301ls.json")
    gates = GATES.replace("labels.json", "lab\u00e9ls.json")
    (rules(hub) / "gates.toml").write_text(gates, encoding="utf-8")

    with pytest.raises(DatahubError, match="not"):
        hub.gate_set(reason="an accent")

    still_guarded(hub)


def test_lines_may_end_as_on_windows(hub: Hub) -> None:
    for name in ("gates.toml", "labels.json"):
        content = (rules(hub) / name).read_bytes().replace(b"\n", b"\r\n") + b"\r\n"
        (rules(hub) / name).write_bytes(content)
    suite = (rules(hub) / "labels.json").read_bytes()
    (rules(hub) / "labels.json").write_bytes(b"\xef\xbb\xbf" + suite)

    hub.gate_set(reason="from another editor")

    still_guarded(hub)


@pytest.mark.parametrize(
    "suite",
    [
        {"name": "labels", "expectations": []},
        {"name": "labels", "expectations": [{"type": "expect_column_values_to_be_signed"}]},
        {**HARMLESS, "Expectations": SUITE["expectations"]},
        {**HARMLESS, "more_expectations": SUITE["expectations"]},
        {"expectations": [{**HARMLESS["expectations"][0], "since": "2.0"}]},  # type: ignore[dict-item]
        {
            "expectations": [
                {
                    "type": "expect_column_values_to_not_be_null",
                    "kwargs": {"column": "label", "at_least": 0.6},
                }
            ]
        },
    ],
)
def test_a_suite_of_which_a_part_is_not_known_is_not_set(
    hub: Hub, suite: dict[str, object]
) -> None:
    """Of a later Great Expectations, say: what is not known would not be checked."""
    (rules(hub) / "labels.json").write_text(json.dumps(suite))

    with pytest.raises(GateError):
        hub.gate_set(reason="another suite")

    still_guarded(hub)


# A suite between its verdict and the merge


@pytest.mark.parametrize("change", ["renamed", "emptied", "gone", "harmless"])
def test_a_suite_that_changes_on_the_way_changes_nothing(hub: Hub, change: str) -> None:
    """Main's own judge: what a branch brings is rules and data together, and is refused."""
    assert hub.gate_run("good", into="main").passed
    oid = hub.store.objects("main")["expectations/labels.json"]
    files: dict[str, bytes | None] = {
        "renamed": {"expectations/other.json": hub.store.read(oid)}
        | {"expectations/labels.json": None},
        "emptied": {"expectations/labels.json": b""},
        "gone": {"expectations/labels.json": None},
        "harmless": {"expectations/labels.json": json.dumps(HARMLESS).encode()},
    }[change]  # type: ignore[assignment]
    hub.create_branch("slipping", at="good")
    tampering.by_hand(hub.store, "slipping", files, {})

    with pytest.raises(DatahubError):
        hub.merge("slipping", into="main", reason="because")

    still_guarded(hub)


# Columns and rows that are not there


def test_a_gate_on_a_column_that_is_not_there_passes_nothing(hub: Hub) -> None:
    suite = {**SUITE, "expectations": [NEVER]}
    (rules(hub) / "labels.json").write_text(json.dumps(suite))
    hub.gate_set(reason="no such column in labels")

    with pytest.raises(GateError, match='no column "text"'):
        hub.merge("good", into="main")


def test_a_gate_on_no_rows_passes_nothing(hub: Hub) -> None:
    """Nearly every expectation holds for a table without rows."""
    (rules(hub) / "labels.json").write_text(json.dumps(HARMLESS))
    (rules(hub) / "gates.toml").write_text(GATES.replace('"labels"', '"rows"'))
    hub.gate_set(reason="rows have an id")
    hub.create_branch("empty", at="main")
    path = hub.settings.root / "none.parquet"
    mail().head(0).write_parquet(path)

    try:
        hub.on("empty").import_rows(path, key="id", gold="kind", mode="replace")
    except DatahubError:
        return  # no dataset is without rows
    with pytest.raises(GateError):
        hub.merge("empty", into="main")


# Clocks


def test_a_clock_that_was_set_back_hides_nothing(hub: Hub) -> None:
    """History goes by parents: a commit of 1999 after the guard came after it."""
    hub.clock = lambda: LONG_AGO
    hub.merge("good", into="main")
    suite = {**SUITE, "meta": {"version": 2}}
    (rules(hub) / "labels.json").write_text(json.dumps(suite))
    hub.gate_set(reason="as they are")
    assert hub.audit("main").clean
    oid = hub.store.put(b"unseen")

    slipped = tampering.slip(
        hub.settings.root / ".datahub", hub.commit_at("main"), {"notes.txt": oid}
    )

    [found] = Hub.open(hub.settings.root).audit("main").unjudged
    assert found.commit == slipped


# Verdicts that are another's


def test_a_verdict_of_another_branch_counts_for_none(hub: Hub) -> None:
    """With one head and one set of rules, `loose` takes what main does not."""
    (rules(hub) / "loose.json").write_text(json.dumps(HARMLESS))
    loose = GATES.replace('"main"', '"loose"').replace('"labels"', '"rows"')
    hub.create_branch("loose", at="work")
    gates = GATES + loose.replace("labels.json", "loose.json")
    (rules(hub) / "gates.toml").write_text(gates)
    hub.gate_set(reason="a branch with rules of its own", into="main")
    statement = "UPDATE branch SET head = ? WHERE name = ?"
    folder = hub.settings.root / ".datahub"
    tampering.edit(folder, statement, hub.commit_at("main").id, "loose")
    landed = hub.merge("work", into="loose").commit

    tampering.edit(folder, statement, landed.id, "main")

    [found] = Hub.open(hub.settings.root).audit("main").unjudged
    assert (found.commit, found.why) == (landed.id, ("its verdict is of another branch",))


def test_a_verdict_of_another_repository_counts_for_none(hub: Hub, tmp_path: Path) -> None:
    """Of the same content there, under rules that let it in."""
    other = Hub.open(shutil.copytree(hub.settings.root, tmp_path / "other"))
    (rules(other) / "gates.toml").write_text("")
    other.gate_set(reason="open", unguard=True)
    (rules(other) / "gates.toml").write_text(GATES.replace('"labels"', '"rows"'))
    (rules(other) / "labels.json").write_text(json.dumps(HARMLESS))
    other.gate_set(reason="nearly open")
    landed = other.merge("work", into="main").commit
    verdict = other.store.read(other.store.objects(landed.id, VERDICT)[VERDICT])
    notes = hub.store.put(b"no labels")

    changes = {VERDICT: hub.store.put(verdict), "notes.txt": notes}
    slipped = tampering.slip(hub.settings.root / ".datahub", hub.commit_at("main"), changes)

    [found] = Hub.open(hub.settings.root).audit("main").unjudged
    assert found.commit == slipped
    assert "its verdict is of another head" in found.why


@pytest.mark.parametrize("passed", [True, False])
def test_a_verdict_that_was_edited_in_its_file_is_damage(hub: Hub, passed: bool) -> None:
    """Its bytes are no longer those of its id; nothing reads them as another verdict."""
    landed = hub.merge("good", into="main").commit
    path = hub.store.fetch(hub.store.objects(landed.id, VERDICT)[VERDICT])
    content = json.loads(path.read_bytes())
    path.chmod(0o644)
    path.write_text(json.dumps({**content, "passed": passed, "checks": 99}))

    fresh = Hub.open(hub.settings.root)
    assert fresh.fsck()
    with suppress(DatahubError):  # it cannot be read
        assert not fresh.audit("main").clean


def test_rows_are_there(hub: Hub) -> None:
    """What these attacks start from is what they say."""
    assert pl.read_parquet(hub.settings.root / "mail.parquet").height == mail().height
    still_guarded(hub)
