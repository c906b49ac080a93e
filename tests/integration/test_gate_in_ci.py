"""`datahub gate run` and `audit` as a CI job calls them."""

from __future__ import annotations

import json
import re
import shlex
import shutil
from pathlib import Path
from xml.etree import ElementTree

import pytest
import yaml

from tests.integration.conftest import CARELESS, LFS, Datahub


@pytest.fixture
def refusing(datahub: Datahub, labeled: Path) -> Path:
    """A project whose branch work, the current one, does not pass main's gate."""
    (labeled / "labeling_functions" / "first.py").write_text(LFS.replace(*CARELESS))
    assert datahub("lf", "run").code == datahub("label", "fit").code == 0
    return labeled


def test_a_refusal_names_dataset_and_rows_wherever_it_is_said(
    datahub: Datahub, refusing: Path
) -> None:
    ran = datahub("gate", "run", "--report", "gate.md", "--report", "gate.xml", "--github")

    assert ran.code == 1
    assert ran.out.startswith("refused: work into main, ")
    (kept, *_) = datahub("gate", "refusals", "--json").json
    (failure,) = kept["verdict"]["failures"]
    assert failure["dataset"] == "mail"
    keys = failure["keys"]
    spam = [
        one["id"] for one in datahub("head", "-n", "40", "--json").json if one["label"] == "spam"
    ]
    assert keys == [str(key) for key in spam[:20]]
    listed = ", ".join(keys)
    assert f"\n    rows {listed}" in ran.out
    assert listed in Path("gate.md").read_text()
    (case, lfs, _) = ElementTree.parse("gate.xml").getroot()
    assert "labels_of_reviewed_lfs" in str(lfs.get("name"))
    assert listed in str(case[0].text)
    (annotation,) = [one for one in ran.err.splitlines() if one.startswith("::error ")]
    assert listed in annotation
    assert listed in datahub("merge", "work", "--into", "main").err


def test_a_pass_is_reported_too(datahub: Datahub, labeled: Path) -> None:
    ran = datahub("gate", "run", "work", "--report", "gate.md", "--report", "gate.xml", "--github")

    assert (ran.code, ran.err) == (0, "")
    assert Path("gate.md").read_text().startswith("### Gate of `main`: passed\n")
    assert ElementTree.parse("gate.xml").getroot().get("failures") == "0"
    assert datahub("show", "main", "--json").json["verdict"]["kind"] == "rules"


REPORTS = [f"--report={name}" for name in ("gate.md", "gate.xml", "gate.json")]


@pytest.mark.parametrize(
    ("arguments", "settings", "code"),
    [
        (["main"], {}, 3),
        (["no-such-branch"], {}, 5),
        (["work", "--into", "none"], {}, 5),
        (["work"], {"DATAHUB_STORE": "lakefs"}, 2),  # a project that cannot even be opened
    ],
)
def test_a_run_that_could_not_judge_leaves_no_pass_of_yesterday(
    datahub: Datahub,
    labeled: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    settings: dict[str, str],
    code: int,
) -> None:
    for name in ("gate.md", "gate.xml", "gate.json"):
        Path(name).write_text("passed")
    for name, value in settings.items():
        monkeypatch.setenv(name, value)

    ran = datahub("gate", "run", *arguments, *REPORTS, "--github", "--json")

    assert ran.code == code
    error = json.loads(ran.err.splitlines()[-1])["error"]
    assert json.loads(Path("gate.json").read_text())["error"]["message"] == error["message"]
    assert "could not run" in Path("gate.md").read_text()
    assert ElementTree.parse("gate.xml").getroot().get("errors") == "1"
    assert ran.err.startswith("::error title=Gate of ")


def test_with_keys_alone_no_value_of_a_row_is_said(datahub: Datahub, labeled: Path) -> None:
    suite = json.loads(Path("expectations/labels.json").read_text())
    kwargs = {"column": "id", "value_set": [4711]}
    suite["expectations"].append(
        {"type": "expect_column_distinct_values_to_equal_set", "kwargs": kwargs}
    )
    Path("expectations/labels.json").write_text(json.dumps(suite, indent=1))
    assert datahub("gate", "set", "--reason", "test").code == 0
    shown = datahub("gate", "run", "work", *REPORTS, "--github")
    told = [shown.out, shown.err, *(Path(one[9:]).read_text() for one in REPORTS)]

    hidden = datahub("gate", "run", "work", *REPORTS, "--github", "--keys-only")
    kept = [hidden.out, hidden.err, *(Path(one[9:]).read_text() for one in REPORTS)]

    assert shown.code == hidden.code == 1
    assert all("distinct values" in text and " unexpected: " in text for text in told)
    assert not any("distinct values" in text and " unexpected: " in text for text in kept)
    place = next(one for one in hidden.err.splitlines() if "distinct_values" in one)
    line = int(re.search(r"file=expectations/labels\.json,line=(\d+)", place)[1])  # type: ignore[index]
    assert "distinct_values" in Path("expectations/labels.json").read_text().splitlines()[line - 1]


def test_a_branch_without_a_gate_passes_nothing(datahub: Datahub, labeled: Path) -> None:
    """A job whose branch lost its gate, or never had one, is not green."""
    assert datahub("branch", "open", "main~1").code == 0

    ran = datahub("gate", "run", "work", "--into", "open", "--report", "gate.md")
    merges = datahub("gate", "run", "work", "--into", "open", "--ungated")

    assert ran.code == 7
    assert "error[no_gate]: Branch 'open' has no gate" in ran.err
    assert "could not run" in Path("gate.md").read_text()
    assert (merges.code, merges.out) == (0, "passed: work into open, 0 expectations\n")


@pytest.mark.parametrize(("report", "says"), [("gate.txt", "'.txt'"), ("no/gate.md", "folder no")])
def test_a_report_that_cannot_be_is_refused_before_anything_is_judged(
    datahub: Datahub, labeled: Path, report: str, says: str
) -> None:
    ran = datahub("gate", "run", "work", "--report", report)

    assert ran.code == 2
    assert says in ran.err


def test_what_is_merged_is_nothing_to_judge(datahub: Datahub, labeled: Path) -> None:
    """No pass by mistake: a job that names the branch itself is told."""
    ran = datahub("gate", "run", "main")

    assert ran.code == 3
    assert "error[nothing_to_merge]" in ran.err


def test_the_workflow_in_the_docs_runs_as_it_stands(datahub: Datahub, labeled: Path) -> None:
    """Each of its commands, in their order; a job that runs again stays green."""
    page = (Path(__file__).parents[2] / "docs" / "ci.md").read_text(encoding="utf-8")
    workflow = yaml.safe_load(page.partition("```yaml\n")[2].partition("```")[0])
    steps = [step for job in workflow["jobs"].values() for step in job["steps"]]
    commands = [step["run"] for step in steps if step.get("run", "").startswith("datahub ")]

    ran = [
        datahub(*shlex.split(one.replace("$BRANCH", "work"), comments=True)[1:]) for one in commands
    ]

    assert [command.split()[1] for command in commands] == ["gate", "merge", "audit"]
    assert [one.code for one in ran] == [0, 0, 0]
    assert Path("gate.md").exists()
    assert datahub("merge", "work", "--into", "main").out.startswith("Already up to date")


def test_a_project_without_its_history_says_so(datahub: Datahub, labeled: Path) -> None:
    shutil.rmtree(labeled / ".datahub")

    for words in (["gate", "run", "work"], ["log"], ["merge", "work", "--into", "main"]):
        ran = datahub(*words)
        assert ran.code == 2
        assert "is no repository" in ran.err
    assert not (labeled / ".datahub").exists()
