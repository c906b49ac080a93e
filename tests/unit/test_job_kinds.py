"""Kinds of jobs, and what each takes: nothing reaches a worker that it could not run."""

from __future__ import annotations

from typing import Any

import pytest

from datahub import config
from datahub.core.errors import BranchNotFound, InputError
from datahub.core.job import JobNotFound, OtherJob
from datahub.core.job_kinds import KINDS, arguments_of, checked_arguments, kind_of
from datahub.flow.rows.export import FORMATS
from datahub.hub import Hub, results


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Hub:
    """An empty project."""
    return Hub.init(tmp_path_factory.mktemp("jobs"), dataset="mail")[0]


def test_an_unknown_kind_or_argument_names_the_nearest() -> None:
    with pytest.raises(InputError, match="lf rnu") as kind:
        kind_of("lf rnu")
    with pytest.raises(InputError, match="datset") as argument:
        checked_arguments(KINDS["lf run"], {"datset": "mail"})

    assert "'lf run'" in kind.value.hint
    assert "'dataset'" in argument.value.hint


@pytest.mark.parametrize(
    ("kind", "name", "value"),
    [
        ("lf run", "jobs", 0),
        ("lf run", "jobs", True),
        ("lf run", "jobs", "2"),
        ("lf run", "dataset", 7),
        ("lf run", "dataset", None),
        ("lf run", "dataset", "x" * 1001),
        ("label fit", "end_model", "torch"),
        ("label fit", "dev_rows", 10**400),
        ("gate run", "ungated", "yes"),
        ("export", "format", "../../etc/passwd"),
        ("gc", "keep_days", float("nan")),
        ("gc", "keep_days", -1),
        ("gc", "dry_run", 1),
    ],
)
def test_a_value_that_does_not_fit_is_refused(kind: str, name: str, value: Any) -> None:
    with pytest.raises(InputError, match=name) as refusal:
        checked_arguments(KINDS[kind], {name: value})

    assert refusal.value.hint.startswith("It is ")


def test_no_kind_takes_a_path() -> None:
    names = {name for kind in KINDS.values() for name in kind.arguments}

    assert not [n for n in names if any(w in n for w in ("path", "file", "folder", "report"))]


@pytest.mark.parametrize("word", ["dry_run", "=1", "dry_run=perhaps", "keep_days=many"])
def test_words_that_are_no_argument_are_refused(word: str) -> None:
    with pytest.raises(InputError):
        arguments_of(KINDS["gc"], [word])
    with pytest.raises(InputError, match="two"):
        arguments_of(KINDS["gc"], ["dry_run=no", "dry_run=yes"])


def test_choices_are_those_of_the_commands() -> None:
    assert KINDS["label fit"].arguments["end_model"].choices == config.END_MODELS
    assert KINDS["export"].arguments["format"].choices == FORMATS


def test_a_job_is_of_its_submitter_on_the_branch_in_hand(hub: Hub) -> None:
    job = hub.on("main", author="ann").job_submit("lf run", {"jobs": 2}, key="k")

    again = hub.on("main", author="ann").job_submit("lf run", {"jobs": 2}, key="k")
    shape = results.Job.of(hub.job(job.id))
    assert again.id == job.id
    assert (shape.kind, shape.author, shape.branch) == ("lf run", "ann", "main")
    assert (shape.state, shape.arguments, shape.commit) == ("queued", {"jobs": 2}, None)
    with pytest.raises(OtherJob):
        hub.on("main", author="ann").job_submit("gc", key="k")


def test_a_queued_job_is_cancelled_and_says_so(hub: Hub) -> None:
    job = hub.job_submit("gc", ["dry_run=yes"])
    cancelled = hub.job_cancel(job.id)

    events = results.JobEvent.list_of(hub.job_log(job.id))
    assert cancelled.state == "cancelled"
    assert [event.data["state"] for event in events] == ["queued", "cancelled"]
    assert hub.job_log(job.id, after=events[-1].id) == []
    assert job.id in [entry.id for entry in hub.jobs(states=["cancelled"])]


def test_what_is_not_there_is_said(hub: Hub) -> None:
    with pytest.raises(BranchNotFound):
        hub.on("gone").job_submit("lf run")
    with pytest.raises(JobNotFound):
        hub.job(999)


def test_jobs_of_a_branch_take_turns_and_reads_do_not(hub: Hub) -> None:
    hub.create_branch("side")
    lanes = [hub.on(b).job_submit("lf run").request.lane for b in ("main", "side")]
    fit = hub.on("side").job_submit("label fit").request.lane

    assert lanes[0] != lanes[1] == fit
    assert hub.job_submit("export").request.lane == ""
