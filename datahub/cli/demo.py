"""The demo: public use cases, one after another, on real articles. Nothing in it is staged.

It does what a person would do with these commands, in a project of its own: the
only thing simulated is the annotator, who answers from the gold labels.
"""

from __future__ import annotations

import shutil
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from datahub.cli.label import print_fit
from datahub.cli.lf import print_lf_table
from datahub.cli.output import emit_json, expectations, line, progress_bars, share, table, talk
from datahub.cli.review import print_trust
from datahub.core.errors import Conflict, GateRefused
from datahub.hub import results

if TYPE_CHECKING:
    from datahub.flow.label.score import Score
    from datahub.hub import Hub

BUDGET = 240
AUDIT_SHARE = 0.5  # fewer audited rows than this makes would promise nothing
LEFT_OPEN = 10
MARK = ".made-by-datahub-demo"
LAKE = ".datahub/lakefs"  # where a lakeFS that the demo starts keeps what it has
ANNOTATOR = "simulated@example.org"
CARELESS = ('["shares", "shareholders"', '["people", "new", "year", "shares", "shareholders"')


def run(folder: Path, *, queue: str, store: str, as_json: bool) -> None:
    """Walk a row's path from import to merge in `folder`, which is emptied first."""
    start = time.monotonic()
    _clear(folder)
    with progress_bars() as progress, _access(folder, store) as access:
        hub = _project(folder, queue=queue, access=access, progress=progress)
        narration = Narration(as_json=as_json)
        figures = _walk(hub, narration)
    figures["seconds"] = round(time.monotonic() - start, 1)
    if as_json:
        emit_json(_result(figures))
        return
    _tell(figures)
    _part(hub, folder)


def _result(figures: dict[str, Any]) -> results.Demo:
    accuracies = {
        when: {name: results.DemoAccuracy(**group) for name, group in figures[when].items()}
        for when in ("before", "after")
    }
    return results.Demo(
        **{**figures, **accuracies, "audited": results.DemoAudit(**figures["audited"])}
    )


class Narration:
    """Talks about each step on a terminal or in a pipe; keeps silent under --json."""

    def __init__(self, *, as_json: bool) -> None:
        self.silent = as_json
        self._number = 0

    @contextmanager
    def step(self, title: str) -> Iterator[bool]:
        """Announce one step; the body prints its tables when told it may."""
        self._number += 1
        if not self.silent:
            line(f"\n[{self._number}] {title}")
        yield not self.silent


def _clear(folder: Path) -> None:
    """Remove what an earlier demo left in its folder."""
    from datahub.hub import Hub

    if folder.exists():
        if not (folder / MARK).exists():
            raise Conflict(
                f"{folder} is there already, and no earlier demo made it.",
                hint="Name another folder: `datahub demo FOLDER`.",
            )
        if (folder / "datahub.toml").exists():
            Hub.open(folder).labelstudio_stop()
        shutil.rmtree(folder)
    folder.mkdir(parents=True)
    (folder / MARK).touch()


@contextmanager
def _access(folder: Path, store: str) -> Iterator[dict[str, str]]:
    """Settings of the store while the demo runs: on lakeFS, a repository of the demo's own."""
    from datahub.hub import Hub

    if store != "lakefs":
        yield {"store": store}
        return
    with Hub.lakefs(folder.absolute() / LAKE) as access:
        yield {**access, "store": store, "lakefs_repository": f"demo-{uuid.uuid4().hex[:12]}"}


def _project(folder: Path, *, queue: str, access: dict[str, Any], progress: Any) -> Hub:
    from datahub.hub import Hub

    Hub.init(folder, dataset="news", queue=queue, **access)
    settings = folder / "datahub.toml"
    settings.write_text(settings.read_text() + f"budget = {BUDGET}\naudit_share = {AUDIT_SHARE}\n")
    return Hub.open(folder, progress=progress, **access)


def _walk(hub: Hub, narration: Narration) -> dict[str, Any]:
    figures: dict[str, Any] = {}
    with narration.step(
        "Import: 2,225 BBC articles; the known topics are kept aside as gold"
    ) as aloud:
        hub.take_demo_files()
        report = hub.import_rows(hub.settings.root / "articles.parquet", gold="topic")
        figures |= {"rows": report.dataset.rows, "classes": list(report.dataset.classes)}
        if aloud:
            line(
                f"{report.dataset.rows} rows, key {report.dataset.key}, classes "
                f"{', '.join(report.dataset.classes)}"
            )
    with narration.step("Guard main: no topic may be more than a quarter of the labels") as aloud:
        rules = hub.gate_set(reason="five topics, none above a quarter")
        if aloud:
            line(f"rules of main set with {expectations(rules.checks)}")
    _careless(hub, narration, figures)
    _repair(hub, narration, figures)
    _review(hub, narration, figures)
    _merge(hub, narration, figures)
    return figures


def _careless(hub: Hub, narration: Narration, figures: dict[str, Any]) -> None:
    lfs = hub.settings.root / "labeling_functions" / "news.py"
    good = lfs.read_text(encoding="utf-8")
    with narration.step("A careless edit: LF `shares` votes business on 'people', 'new', 'year'"):
        hub.switch("careless", create=True)
        lfs.write_text(good.replace(*CARELESS), encoding="utf-8")
        hub.lf_run()
        hub.label_fit()
    with narration.step("Merge it into main") as aloud:
        try:
            hub.merge("careless", into="main")
        except GateRefused as error:
            figures["refused"] = [failure.message for failure in error.verdict.failures]
            if aloud:
                line(f"refused: {error.message}")
                for failure in error.verdict.failures:
                    line(f"  {failure.expectation}: {failure.message}")
    lfs.write_text(good, encoding="utf-8")


def _repair(hub: Hub, narration: Narration, figures: dict[str, Any]) -> None:
    with narration.step("Undo the edit, on a branch of its own: LFs vote on every row") as aloud:
        hub.switch("main")
        hub.switch("label-news", create=True)
        hub.lf_run()
        report = hub.lf_stats()
        figures |= {
            "lfs": len(report.table),
            "votes": report.votes,
            "coverage": report.coverage,
            "faults": sum(report.fault_counts),
        }
        if aloud:
            print_lf_table(report, hub.dataset().classes)
    with narration.step("Fit the label model, and an end model to check it") as aloud:
        fit = hub.label_fit()
        figures["before"] = _accuracies(hub.score())
        if aloud:
            print_fit(fit)


def _review(hub: Hub, narration: Narration, figures: dict[str, Any]) -> None:
    title = f"Ask people about {BUDGET} of the rows, through the {hub.settings.queue} queue"
    with narration.step(title) as aloud:
        if hub.settings.queue == "label-studio" and not hub.settings.labelstudio_url:
            hub.labelstudio_start(say=talk)
        push = hub.review_push()
        if aloud:
            line(
                f"{push.doubt} doubted rows and {push.audit} drawn at random; "
                f"the annotator is simulated from gold"
            )
            tasks = hub.review_open(limit=5)
            table(
                ["row", "prediction", "reason"],
                [(_headline(task.fields), task.prediction, task.reason) for _, task in tasks],
            )
        gold = hub.gold()
        answers = [(task_id, gold[task.key]) for task_id, task in hub.review_open()]
        hub.review_answer(answers, annotator=ANNOTATOR)
        pull = hub.review_pull()
        figures |= {
            "budget": push.tasks,
            "annotations": pull.annotations,
            "labels_changed": pull.changed,
        }
        figures["after"] = _accuracies(hub.score())
        if aloud:
            line(f"{pull.annotations} annotations taken, {pull.changed} labels changed")
            table(["status", "rows"], list(pull.statuses.items()))
    with narration.step("What the random rows say about labels that nobody checked") as aloud:
        trust = hub.review_report()
        figures["audited"] = {
            "accepted": trust.accepted.audited,
            "wrong": trust.accepted.wrong,
            "interval": list(trust.accepted.interval),
        }
        if aloud:
            print_trust(trust)


def _merge(hub: Hub, narration: Narration, figures: dict[str, Any]) -> None:
    with narration.step("Merge the reviewed branch into main") as aloud:
        merge = hub.merge("label-news", into="main")
        figures["passed"] = merge.checks
        history = hub.log("main")
        figures["commits"] = len(history)
        figures["refusals"] = len(hub.refusals())
        if aloud:
            line(f"passed: {expectations(merge.checks)}; main is {merge.commit.id[:12]}")
            table(["commit", "message"], [(c.id[:12], c.message) for c in history])
    with narration.step(f"{LEFT_OPEN} more rows are asked, and left open for you"):
        hub.review_push(budget=LEFT_OPEN)


def _accuracies(score: Score) -> dict[str, Any]:
    """Accuracy on labeled rows by group, and how many rows that is."""
    groups = {"all": score.everything, "not asked": score.not_asked, "accepted": score.accepted}
    return {
        name: {
            "rows": group.rows,
            "labeled": group.labeled,
            "accuracy": group.accuracy,
            "right_of_all": group.right_of_all,
        }
        for name, group in groups.items()
    }


def _tell(figures: dict[str, Any]) -> None:
    line("\nLabel accuracy against gold")
    names = {
        "all": "all rows",
        "not asked": "rows nobody was asked about",
        "accepted": "rows accepted without a person",
    }
    rows = [
        (
            names[group],
            when,
            score["rows"],
            score["labeled"],
            share(score["accuracy"]),
            share(score["right_of_all"]),
        )
        for group in names
        for when, score in (
            ("before", figures["before"][group]),
            ("after", figures["after"][group]),
        )
    ]
    table(["group", "relabeling", "rows", "labeled", "right of labeled", "right of all"], rows)
    line(
        f"{figures['rows']} rows, {figures['lfs']} LFs, {figures['votes']} votes "
        f"({share(figures['coverage'])} of rows covered, {figures['faults']} faults), "
        f"budget {figures['budget']} answers, {figures['labels_changed']} labels changed"
    )
    line(
        f"{figures['commits']} commits on main, verdicts: {figures['refusals']} refused, "
        f"1 passed; {figures['seconds']} s"
    )


def _part(hub: Hub, folder: Path) -> None:
    if (folder / LAKE).exists():
        line(f"\nThe lakeFS server started for this is stopped; its data is in {folder / LAKE}.")
        line("Set DATAHUB_LAKEFS_ENDPOINT and its keys to run this on a server and continue there.")
        return
    line(f"\nContinue in {folder}: `datahub status`, `datahub log main`, `datahub show main`,")
    if hub.settings.queue == "label-studio" and not hub.settings.labelstudio_url:
        info = hub.labelstudio_status()
        line(f"or label at {info.url} (login {info.email}, password {info.password});")
        line("then `datahub review pull`, and `datahub labelstudio stop` when you are done.")
    elif hub.settings.queue == "label-studio":
        line(f"or label at {hub.settings.labelstudio_url}, then `datahub review pull`.")
    else:
        line("or answer the rows left open: `datahub review answer`, then `datahub review pull`.")


def _headline(fields: Any) -> str:
    return str(next(iter(fields.values()))).partition("\n")[0][:50]
