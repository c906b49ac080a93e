"""What must not get onto a guarded branch, and what must not be lost on the way."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from datahub.adapters.labelstudio_server import ServerInfo
from datahub.cli import labelstudio
from datahub.hub import Hub
from tests.integration.conftest import CARELESS, GATES, LFS, Datahub, mail


def test_labels_of_other_rows_do_not_pass(datahub: Datahub, labeled: Path) -> None:
    """A merge leaves labels of other rows out; a commit that puts them in is refused."""
    mail().with_columns(pl.col("id") + 1000).head(20).write_parquet("other.parquet")
    datahub("switch", "main")
    datahub("switch", "-c", "stale")
    assert datahub("import", "other.parquet", "--gold", "kind").code == 0
    merged = datahub("merge", "work", "--into", "stale")
    assert merged.code == 0
    assert "lf run" in merged.out
    hub = Hub.open(labeled, branch="stale")
    assert not hub.store.objects("stale", "datasets/mail/labels/")
    step = hub.step()
    hub.store.commit(
        "stale",
        {p: oid for p, oid in hub.store.objects("work").items() if "mail/l" in p or "/soft" in p},
        message="Put labels of other rows in",
        author=step.author,
        time=step.time,
        expected=hub.store.commit_at("stale").id,
    )

    refused = datahub("merge", "stale", "--into", "main")

    assert refused.code == 1
    assert "tables_belong_together" in refused.err
    assert "earlier rows" in datahub("status", "--branch", "stale").out


def test_labels_of_other_votes_do_not_pass(datahub: Datahub, labeled: Path) -> None:
    """Voting again without fitting again leaves labels that nobody would get from these votes."""
    (labeled / "labeling_functions" / "first.py").write_text(LFS.replace(*CARELESS))
    assert datahub("lf", "run").code == 0

    refused = datahub("merge", "work", "--into", "main")

    assert refused.code == 1
    assert "earlier votes" in refused.err
    assert datahub("label", "fit").code == 0
    assert "earlier votes" not in datahub("merge", "work", "--into", "main").err


def test_rules_that_bind_nothing_to_the_branch_are_not_set(datahub: Datahub, project: Path) -> None:
    """A slip in a branch's name leaves the branch open: it is told, not taken."""
    (project / "expectations" / "gates.toml").write_text(GATES.replace("main", "mian"))

    refused = datahub("gate", "set", "--reason", "typo")

    assert refused.code == 2
    assert "'mian'" in refused.err


def test_a_gate_is_taken_off_only_on_purpose(datahub: Datahub, guarded: Path) -> None:
    """`--unguard` says so, and history keeps the reason."""
    (guarded / "expectations" / "gates.toml").write_text("")
    assert datahub("gate", "set", "--reason", "no longer needed").code == 2

    assert datahub("gate", "set", "--reason", "no longer needed", "--unguard").code == 0

    assert datahub("status", "--json").json["guarded"] is False
    assert datahub("show", "main", "--json").json["verdict"]["reason"] == "no longer needed"


def test_no_branch_is_born_guarded(datahub: Datahub, labeled: Path) -> None:
    """Its content would be on a guarded branch, and nobody would have judged it."""
    (labeled / "expectations" / "gates.toml").write_text(GATES.replace("main", "prod"))
    assert datahub("commit", "expectations", "-m", "A gate for prod").code == 0

    refused = datahub("branch", "create", "prod")

    assert refused.code == 3
    assert "unjudged" in refused.err


def test_a_lost_catalog_stops_nothing(datahub: Datahub, labeled: Path) -> None:
    """docs/format.md says that it may be lost."""
    (labeled / ".datahub" / "catalog.db").unlink()

    merged = datahub("merge", "work", "--into", "main")

    assert merged.code == 0, merged.err
    assert datahub("status").code == 0


@pytest.mark.parametrize(
    "words",
    [["bogus"], ["merge"], ["log", "--max-count", "x"], ["branch", "--json"], [], ["lf"]],
    ids=" ".join,
)
def test_a_slip_in_the_command_is_exit_2(datahub: Datahub, words: list[str]) -> None:
    """1 is for refusals: CI must not read a misspelled call as one."""
    ran = datahub(*words)

    assert ran.code == 2
    assert "Traceback" not in ran.err


def test_what_nobody_expected_is_exit_70(
    datahub: Datahub, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fault of ours says that it is one."""

    def breaks(self: Hub) -> None:
        raise RuntimeError("never thought of")

    monkeypatch.setattr(Hub, "status", breaks)

    ran = datahub("status")

    assert ran.code == 70
    assert "error[bug]: RuntimeError: never thought of" in ran.err


@pytest.mark.parametrize("suffix", ["parquet", "orc", "csv"])
def test_labeled_rows_are_exported_in_every_format(
    datahub: Datahub, labeled: Path, suffix: str
) -> None:
    """The default table, with its lists of LFs and annotations."""
    ran = datahub("export", f"out.{suffix}")

    assert ran.code == 0, ran.err
    again = datahub("import", f"out.{suffix}", "-d", "copy", "--key", "id", "--json")
    assert again.json["dataset"]["parts"][0]["rows"] == 42


def test_the_same_work_again_says_that_nothing_changed(datahub: Datahub, labeled: Path) -> None:
    """No commit is claimed that was not made."""
    before = datahub("log", "--json").json

    assert "nothing changed" in datahub("lf", "run").out
    assert "nothing changed" in datahub("label", "fit").out

    assert datahub("log", "--json").json == before


def test_sources_of_lfs_that_are_gone_leave_the_commit(datahub: Datahub, labeled: Path) -> None:
    """The commit holds the LFs' sources as they voted."""
    folder = labeled / "labeling_functions"
    (folder / "first.py").rename(folder / "second.py")

    assert datahub("lf", "run").code == 0

    held = datahub("show", "--json").json["objects"]
    assert [path for path in held if path.startswith("labeling_functions/")] == [
        "labeling_functions/second.py"
    ]


def test_a_servers_secrets_are_in_json_only_when_asked_for(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """JSON goes into logs."""
    info = ServerInfo("http://127.0.0.1:1", "a@b", "sesame", "t0ken", 1, running=True)

    labelstudio._print(info, as_json=True, secrets=False)
    hidden = capsys.readouterr().out
    labelstudio._print(info, as_json=True, secrets=True)
    shown = capsys.readouterr().out

    assert "http://127.0.0.1:1" in hidden
    assert "sesame" not in hidden
    assert "t0ken" not in hidden
    assert "sesame" in shown
