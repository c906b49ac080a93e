"""The action for GitHub and the job for GitLab, run step by step as their runners would."""

from __future__ import annotations

import os
import re
import shutil
import stat
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.integration.conftest import CARELESS, LFS

ROOT = Path(__file__).parents[2]
FIRST = Path("labeling_functions/first.py")
EXPRESSION = re.compile(r"\$\{\{ (.*?) \}\}")
# It tells what it was asked last, and answers with a pull request's number.
GH = """#!/bin/sh
if [ "$1" = api ]; then echo 7; exit; fi
printf '%s\\n' "$@" > "$RUNNER_TEMP/gh"
"""


@dataclass(frozen=True)
class Job:
    """How a job ended, and the files that a runner gives it."""

    code: int
    files: Path

    def read(self, name: str) -> str:
        return (self.files / name).read_text()


def run_action(project: Path, **inputs: str) -> Job:
    """Run the action's steps in order; each that is not skipped must succeed for the next one."""
    action = yaml.safe_load((ROOT / "ci/github/action.yml").read_text())
    files = project.parent / f"runner-{len(list(project.parent.iterdir()))}"
    files.mkdir()
    (files / "gh.sh").write_text(GH)
    values = {f"inputs.{name}": value["default"] for name, value in action["inputs"].items()}
    values |= {f"inputs.{name.replace('_', '-')}": value for name, value in inputs.items()}
    values |= {"github.event.number": "7", "github.token": "t", "github.event_name": "pull_request"}
    for step in action["runs"]["steps"]:
        if "if" in step and not holds(step["if"], values):
            continue
        code = run_step(step, project, files, values)
        outputs = (files / "output").read_text() if (files / "output").exists() else ""
        for name, _, value in (line.partition("=") for line in outputs.splitlines()):
            values[f"steps.{step.get('id', '?')}.outputs.{name}"] = value
        if code:
            return Job(code, files)
    return Job(0, files)


def run_step(step: dict[str, Any], project: Path, files: Path, values: dict[str, str]) -> int:
    """What `shell: bash` means: a script that ends at the first command that fails."""
    tools = files / "bin"
    tools.mkdir(exist_ok=True)
    for name, source in (("datahub", Path(sys.executable).with_name("datahub")), ("gh", None)):
        tool = tools / name
        if not tool.exists():
            tool.write_text(GH if source is None else f'#!/bin/sh\nexec "{source}" "$@"\n')
            tool.chmod(tool.stat().st_mode | stat.S_IXUSR)
    given = {name: expanded(text, values) for name, text in step.get("env", {}).items()}
    assert "${{" not in step["run"], "others choose the values: they come by the environment"
    environment = {
        **os.environ,
        "PATH": f"{tools}:{os.environ['PATH']}",
        "RUNNER_TEMP": str(files),
        "GITHUB_OUTPUT": str(files / "output"),
        "GITHUB_STEP_SUMMARY": str(files / "summary"),
        "GITHUB_WORKSPACE": str(project),
        **given,
    }
    script = files / "step.sh"
    script.write_text(step["run"])
    words = ["bash", "--noprofile", "--norc", "-eo", "pipefail", str(script)]
    return subprocess.run(words, cwd=project, env=environment, check=False, timeout=120).returncode


def expanded(text: str, values: dict[str, str]) -> str:
    """An expression of GitHub's that names one value."""
    return EXPRESSION.sub(lambda match: values[match[1]], text)


def holds(condition: str, values: dict[str, str]) -> bool:
    """A condition of comparisons that are joined by `&&`."""
    pairs = (part.split(" == ") for part in condition.split(" && "))
    return all(values[name] == text.strip("'") for name, text in pairs)


def run_workflow(name: str, folder: Path, files: Path, **values: str) -> None:
    """The scripts of a workflow's jobs in their order, each of which succeeds.

    Artifacts and downloads lie in `files`, which is the runner's own folder.
    """
    workflow = yaml.safe_load((ROOT / "ci/github" / name).read_text())
    for job in workflow["jobs"].values():
        for step in job["steps"]:
            if "run" in step and not step["run"].startswith("pip install"):
                known = dict.fromkeys(EXPRESSION.findall(str(step)), "")
                assert run_step(step, folder, files, {**known, **values}) == 0, step["run"]


@pytest.mark.slow
def test_a_fork_is_judged_by_its_votes_and_its_comment_is_rendered_anew(
    landed: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Three workflows; the number of the pull request comes by the event's head."""
    files = tmp_path_factory.mktemp("runner")
    fork = tmp_path_factory.mktemp("fork")
    shutil.copytree("labeling_functions", fork / "labeling_functions")
    (fork / "datahub.toml").write_text('dataset = "mail"\nstore = "lakefs"\n')
    (fork / FIRST).write_text(LFS.replace(*CARELESS))

    run_workflow("fork-snapshot.yml", landed, files)
    run_workflow("fork-votes.yml", fork, files)
    (files / "fork").mkdir()
    (files / "votes").rename(files / "fork" / "votes")
    run_workflow("fork-judge.yml", landed, files)

    said = (files / "gh").read_text().splitlines()
    assert said[:3] == ["pr", "comment", "7"]
    comment = Path(said[said.index("--body-file") + 1]).read_text()
    assert comment.startswith("### Change of `main`: refused")
    assert "lands nothing" in comment


def test_only_the_jobs_that_need_a_secret_or_a_token_have_one() -> None:
    """A stranger's code runs where there is neither; what comments cannot read the data."""
    jobs = {
        name: (yaml.safe_load(path.read_text()), job)
        for path in (ROOT / "ci/github").glob("fork-*.yml")
        for name, job in yaml.safe_load(path.read_text())["jobs"].items()
    }
    with_secret = {name for name, (_, job) in jobs.items() if "secrets." in str(job)}
    may_write = {
        name
        for name, (workflow, job) in jobs.items()
        if "write" in str(job.get("permissions", workflow["permissions"]))
    }
    assert with_secret == {"snapshot", "judge"}
    assert may_write == {"comment"}
    # `True` is what YAML 1.1 makes of the word `on`.
    assert jobs["votes"][0][True] == ["pull_request"]
    checkouts = [
        step for _, job in jobs.values() for step in job["steps"] if "checkout" in str(step)
    ]
    assert all("ref" not in step.get("with", {}) for step in checkouts)


CURL = """#!/bin/sh
while [ "$1" != "-o" ]; do shift; done
case "$*" in
  *merge_requests/7/notes) cp comment.md note.md; echo '{}' > "$2" ;;
  *merge_requests/7) echo '{"source_project_id": 12}' > "$2" ;;
  *12/jobs/artifacts/ref/merge-requests/7/head/raw/votes*) cp "$FORK/votes" "$2" ;;
  *main/download*) cp "$ROWS" "$2" ;;
  *) exit 22 ;;
esac
"""


@pytest.mark.slow
def test_the_jobs_of_gitlab_judge_a_fork(
    landed: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Each in the folder that its runner checked out."""
    jobs = yaml.safe_load((ROOT / "ci/gitlab.yml").read_text())
    fork, tools = tmp_path_factory.mktemp("fork"), tmp_path_factory.mktemp("tools")
    (tools / "curl").write_text(CURL)
    (tools / "curl").chmod(0o755)
    shutil.copytree("labeling_functions", fork / "labeling_functions")
    (fork / "datahub.toml").write_text('dataset = "mail"\nstore = "lakefs"\n')
    (fork / FIRST).write_text(LFS.replace(*CARELESS))
    environment = {
        **os.environ,
        "PATH": f"{tools}:{Path(sys.executable).parent}:{os.environ['PATH']}",
        "FORK": str(fork),
        "ROWS": str(tools / "rows.zip"),
        "DATAHUB_CI_INTO": "main",
        "DATAHUB_MR": "7",
        "CI_API_V4_URL": "https://gitlab.example/api/v4",
        "CI_PROJECT_ID": "3",
        "CI_MERGE_REQUEST_PROJECT_ID": "3",
        "DATAHUB_GITLAB_TOKEN": "t",
    }

    def run(name: str, folder: Path) -> None:
        script = "\n".join(jobs[f".datahub-fork-{name}"]["script"])
        words = ["bash", "-eo", "pipefail", "-c", script]
        ran = subprocess.run(words, cwd=folder, env=environment, check=False, timeout=120)
        assert ran.returncode == 0, name

    run("snapshot", landed)
    shutil.make_archive(str(tools / "rows"), "zip", landed, "snapshot")
    run("votes", fork)
    run("judge", landed)
    run("comment", landed)

    assert (landed / "note.md").read_text().startswith("### Change of `main`: refused")


@pytest.mark.slow
def test_a_careless_lf_fails_the_job_and_comments(landed: Path) -> None:
    """The comment is edited, not repeated: so it is told which pull request, and which file."""
    FIRST.write_text(LFS.replace(*CARELESS))

    job = run_action(landed)

    assert job.code == 1
    assert "exit-code=1" in job.read("output")
    assert job.read("summary").startswith("### Change of `main`: refused")
    assert job.read("gh").split() == [
        *("pr", "comment", "7", "--edit-last", "--create-if-none", "--body-file"),
        str(job.files / "datahub-ci.md"),
    ]


@pytest.mark.slow
def test_the_same_runs_twice_from_a_checkout_without_storage_of_its_own(
    landed: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Nothing of the first run is in the way of the second, and nothing is left in the folder."""
    cache = tmp_path_factory.mktemp("cache")
    before = sorted(path for path in landed.rglob("*") if ".datahub" not in path.parts)

    codes = [run_action(landed, cache=str(cache), comment="false").code for _ in range(2)]

    after = sorted(path for path in landed.rglob("*") if ".datahub" not in path.parts)
    assert codes == [0, 0]
    assert after == before


@pytest.mark.slow
def test_what_cannot_run_fails_with_its_own_code_and_says_so(landed: Path) -> None:
    """Also a branch whose name is an option's."""
    FIRST.write_text("def broken(:\n")
    assert run_action(landed, comment="false").code == 2

    job = run_action(landed, source="--help")

    assert job.code == 5
    assert "could not run" in job.read("summary")


@pytest.mark.slow
def test_the_job_of_gitlab_judges_and_leaves_its_reports(landed: Path) -> None:
    """Its lines are one script."""
    job = yaml.safe_load((ROOT / "ci/gitlab.yml").read_text())[".datahub-ci"]
    FIRST.write_text(LFS.replace(*CARELESS))
    tools = Path(sys.executable).parent
    environment = {**os.environ, **job["variables"], "PATH": f"{tools}:{os.environ['PATH']}"}
    bash = shutil.which("bash")
    assert bash is not None

    code = subprocess.run(
        [bash, "-eo", "pipefail", "-c", "\n".join(job["script"])],
        env=environment,
        check=False,
        timeout=120,
    ).returncode

    assert code == 1
    assert all(Path(path).exists() for path in job["artifacts"]["paths"])
    assert "failure" in Path(job["artifacts"]["reports"]["junit"]).read_text()
