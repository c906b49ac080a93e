"""`--json` is a part of the public API: every command prints what is declared, on real data."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from datahub.hub.results import COMMANDS, Failed, Problem
from datahub.hub.results.page import page, shapes
from datahub.hub.results.shape import hints
from tests import embedding_model
from tests.integration.conftest import CARELESS, GATES, LFS, SUITE, Datahub, mail
from tests.shapes import breaches
from tests.unit.test_commands import EVERY

PAGE = Path(__file__).parents[2] / "docs" / "json.md"
# Those that are a server, have one, or have the demo's articles; their own tests hold them against
# the shapes.
ELSEWHERE = {"demo", "serve", "labelstudio start", "labelstudio start --show-secrets"}


FAULTY = """

@labeling_function()
def faulty(x):
    if x.id == 0:
        raise ValueError(x.text)
    return SPAM if x.id == 20 else ABSTAIN
"""


def breaches_of_problem(failed: Any, optional: set[str]) -> Iterator[str]:
    """Where a failure is not as declared; `optional` are the fields that must be there."""
    absent = {"verdict", "conflicts", "set_aside"} - optional
    assert not absent & set(failed["error"])
    whole = {name: failed["error"].get(name) for name, _ in hints(Problem)}
    yield from breaches({"error": whole}, Failed, "error")


class Walk:
    """Runs commands with `--json`, and holds what they print against what is declared."""

    def __init__(self, datahub: Datahub) -> None:
        self.datahub = datahub
        self.walked: set[str] = set()

    def __call__(self, name: str, *words: str, code: int = 0) -> Any:
        """Run the command of that name; return its JSON."""
        ran = self.datahub(*name.split(), *words, "--json")
        assert ran.code == code, (name, ran.err)
        assert list(breaches(ran.json, COMMANDS[name], name)) == []
        self.walked.add(name)
        return ran.json


def test_every_command_has_a_declared_result() -> None:
    assert set(EVERY) - set(COMMANDS) == {"checkout"}  # another word for switch
    assert {name.partition(" --")[0] for name in COMMANDS} <= set(EVERY)


def test_the_page_of_shapes_is_what_is_declared() -> None:
    """A field that changes changes the page: `python -m datahub.hub.results.page`."""
    assert PAGE.read_text(encoding="utf-8") == page()
    assert all(shape.__doc__ for shape in shapes())


@pytest.mark.slow
def test_every_command_prints_its_declared_result(datahub: Datahub, tmp_path: Path) -> None:
    """One walk from an empty folder to a merged branch and its copy as a git repository."""
    walk = Walk(datahub)
    _label(walk, tmp_path)
    _publish(walk, tmp_path)
    _review(walk, tmp_path)
    _jobs(walk)
    _history(walk, tmp_path)

    assert walk.walked == set(COMMANDS) - ELSEWHERE


def _label(walk: Walk, folder: Path) -> None:
    walk("init", "--dataset", "mail")
    with (folder / "datahub.toml").open("a") as settings:
        settings.write("max_fault_share = 0.1\n")
    (folder / "labeling_functions" / "first.py").write_text(LFS + FAULTY)
    mail().write_parquet(folder / "mail.parquet")
    walk("import", "mail.parquet", "--key", "id", "--gold", "kind")
    assert walk("head", "--table", "rows", "-n", "3")[0]["id"] == 0
    walk("branch create", "work", "--from", "main")
    walk("switch", "work")
    assert walk("lf run", "--sample", "9")["commit"] is None
    walk("lf new", "fresh")
    assert walk("lf test", "shouting")["shown_hits"]
    assert walk("lf run")["faults"]
    walk("label fit")
    assert walk("lf stats")["estimated"]
    assert walk("lf conflicts", "short", "faulty")["shown"]
    walk("label compare", "--seeds", "2")
    walk("label score")
    embedding_model.make(folder / "mini")
    with (folder / "datahub.toml").open("a") as settings:
        settings.write('embed_model = "mini"\n')
    assert walk("embed --dry-run")["missing"] == mail().height
    assert walk("embed")["embedded"] == mail().height
    assert walk("leaves")["rule"] is None
    assert walk("lf suggest")["rows"] == mail().height
    assert walk("similar", "0", "-n", "3")[0]["similarity"] > 0


def _publish(walk: Walk, folder: Path) -> None:
    (folder / "expectations" / "labels.json").write_text(json.dumps(SUITE))
    (folder / "expectations" / "gates.toml").write_text(GATES)
    walk("gate set", "--reason", "spam stays below 60%")
    assert walk("gate key") == []
    assert walk("gate run", "work")["passed"]
    walk("branch create", "careless", "--from", "work")
    file = folder / "labeling_functions" / "first.py"
    good = file.read_text()
    file.write_text(good.replace(*CARELESS))
    walk("lf run", "--branch", "careless")
    walk("label fit", "--branch", "careless")
    assert walk("ci", "careless", code=1)["changes"][0]["moves"]
    file.write_text(good)
    refused = walk.datahub("merge", "careless", "--into", "main", "--json")
    failed = json.loads(refused.err.splitlines()[-1])
    assert list(breaches_of_problem(failed, {"verdict"})) == []
    assert walk("gate refusals")
    assert walk("merge", "work", "--into", "main")["verdict"]["passed"]
    assert walk("audit", "main")["clean"]
    assert walk("gate suggest")["suite"]["expectations"]
    assert walk("monitor", "--against", "main", "--ref", "work")["state"] == "fine"
    assert walk("fork snapshot", "rows apart")["datasets"]
    assert walk("fork vote", "rows apart")["lfs"]["mail"]
    walk("ci", "--votes", "votes", "--report", "ci.json")
    assert walk("fork comment", "ci.json")["markdown"]


def _review(walk: Walk, folder: Path) -> None:
    assert walk("review push", "--budget", "6")["tasks"] == 6
    tasks = walk("review answer")
    lines = ["id,label", *(f"{task['key']},ham" for task in tasks)]
    (folder / "answers.csv").write_text("\n".join(lines) + "\n")
    assert walk("review answer --csv", str(folder / "answers.csv"))["answered"] == 6
    assert walk("review pull")["annotations"] == 6
    assert walk("review report")["agreement"]["people"]
    why = walk("why", str(tasks[0]["key"]))
    assert why["annotations"]
    assert why["history"]
    walk("status")
    changed = mail().with_columns(text=pl.lit("another text"))
    changed.write_parquet(folder / "changed.parquet")
    failed = walk.datahub("import", "changed.parquet", "--key", "id", "--json")
    assert list(breaches_of_problem(json.loads(failed.err), {"set_aside"})) == []
    assert walk("import", "changed.parquet", "--key", "id", "--yes")["set_aside"]


def _jobs(walk: Walk) -> None:
    job = str(walk("job submit", "gc", "dry_run=yes")["id"])
    assert walk("worker", "--once")["done"] == 1
    assert walk("job show", job)["report"]["dry_run"]
    assert walk("job log", job)[-1]["data"]["state"] == "done"
    other = str(walk("job submit", "export", "--branch", "work")["id"])
    assert walk("job cancel", other)["state"] == "cancelled"
    assert [job["id"] for job in walk("job list", "-n", "2")] == [int(other), int(job)]


def _history(walk: Walk, folder: Path) -> None:
    (folder / "notes.md").write_text("a note\n")
    made = walk("commit", "notes.md", "-m", "Note")
    walk("log", "-n", "2")
    assert walk("show")["changed"]["objects"]
    assert walk("show", "main")["verdict"]
    assert walk("diff", "main", "work", "--rows")["rows"][0]["lines"]
    walk("revert", made["id"])
    walk("cherry-pick", made["id"])
    walk("restore", "mail", "--from", "main", "--yes")
    walk("branch --show-current")
    walk("branch list")
    walk("branch")
    walk("branch create", "gone", "--from", "main")
    walk("branch delete", "gone")
    walk("tag create", "v1")
    walk("tag list")
    walk("tag")
    walk("tag delete", "v1")
    walk("gc", "--dry-run")
    walk("db upgrade")
    for words in ((), ("--show-secrets",)):
        walk(" ".join(("labelstudio status", *words)))
    walk("labelstudio stop")
    walk("member set", "ci", "labeler")
    assert walk("member list")[0]["role"] == "labeler"
    token = walk("token create", "ci", "--scope", "judge")
    assert walk("token list")[0]["id"] == token["id"]
    assert walk("token revoke", token["id"])["revoked"]
    walk("member remove", "ci")
    walk("export", "labels.csv", "--table", "labels")
    walk("git export", "copy")
    assert walk("fsck") == []
    assert walk.datahub("init", "new", "--dataset", "mail").code == 0
    os.chdir(folder / "new")
    objects = folder / ".datahub" / "objects"
    walk("git import", str(folder / "copy"), "--objects", str(objects))
    for file in (folder / "new" / ".datahub" / "objects").rglob("*"):
        if file.is_file():
            file.chmod(0o600)
            file.write_bytes(b"no longer what it was")
    assert walk("fsck", code=1)
