"""Act two as calls: ask people, record their answers, take them in."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from datahub.core.dataset import Key
from datahub.core.triage import Task
from datahub.flow.review import open_rows, trust
from datahub.flow.review.answering import answer, answers_by_key
from datahub.flow.review.asking import Asking
from datahub.flow.review.pull import PullReport, pull
from datahub.flow.review.push import PushReport, push
from datahub.flow.steps import Step
from datahub.hub.wiring import Wiring


def _ignore(text: str) -> None:
    """Say nothing."""


class Reviewing(Wiring):
    """triage -> relabel -> final labels."""

    def review_push(self, dataset: str | None = None, *, budget: int | None = None) -> PushReport:
        """Ask people about the rows whose label is least to be trusted."""
        step = self.step()
        report = push(
            self._asking(step, dataset),
            budget=self.settings.budget if budget is None else budget,
            seed=self.settings.seed,
            audit_share=self.settings.audit_share,
        )
        self.ran("review push", step, report.commit, {"tasks": report.tasks})
        return report

    def review_open(
        self, dataset: str | None = None, *, limit: int | None = None, annotator: str = ""
    ) -> list[tuple[str, Task]]:
        """(task id, task) of what waits for an answer (by this person), first to see first."""
        tasks = self.queue(dataset).open_tasks(annotator=annotator)
        return open_rows.open_tasks(self.at(dataset, ref=self.branch), tasks)[:limit]

    def review_answer(
        self,
        answers: Sequence[tuple[str, str | None]],
        *,
        annotator: str | None = None,
        dataset: str | None = None,
    ) -> int:
        """Record answers: (task id, class name or None for a skip)."""
        return answer(
            self.at(dataset, ref=self.branch),
            answers,
            annotator=annotator or self.settings.author,
            queue=self.queue(dataset),
        )

    def review_answer_file(
        self, path: Path | str, *, annotator: str | None = None, dataset: str | None = None
    ) -> int:
        """Record the answers of a file (CSV, Parquet) with the key column and `label`."""
        annotator = annotator or self.settings.author
        lines = [line for batch in self.rows.batches([Path(path)]) for line in batch.to_dicts()]
        answers = answers_by_key(
            lines,
            key=self.dataset(dataset).key,
            annotator=annotator,
            tasks=self.review_open(dataset, annotator=annotator),
        )
        return self.review_answer(answers, annotator=annotator, dataset=dataset)

    def review_pull(self, dataset: str | None = None) -> PullReport:
        """Take people's answers into the labels."""
        step = self.step()
        report = pull(self._asking(step, dataset), end_model=self.end_model)
        self.ran("review pull", step, report.commit, {"annotations": report.annotations})
        return report

    def review_refused(self, dataset: str | None = None) -> list[tuple[Key, str]]:
        """(key, reason) of answers that could not be taken, and that nobody has settled yet."""
        return open_rows.refused_answers(
            self.catalog,
            queue_name=self.settings.queue,
            dataset=self.dataset_name(dataset),
            branch=self.branch,
        )

    def labelstudio_start(self, *, say: Callable[[str], None] = _ignore) -> Any:
        """Install Label Studio if need be, and start it for this project; what is known of it.

        `say` gets what goes on. Raises Unavailable, Conflict (the port is taken).
        """
        return self.labelstudio.start(say=say)

    def labelstudio_stop(self) -> bool:
        """Stop the server that was started; whether there was one."""
        return bool(self.labelstudio.stop())

    def labelstudio_status(self) -> Any:
        """What is known of the server now; None where none was ever started."""
        return self.labelstudio.status()

    def review_report(self, dataset: str | None = None, *, ref: str | None = None) -> trust.Trust:
        """What is accepted and at which measured error, by the random audit slice."""
        return trust.trust(
            self.dataset_name(dataset),
            ref=self.ref(ref),
            end_model=self.end_model,
            store=self.store,
            rows=self.rows,
        )

    def _asking(self, step: Step, dataset: str | None) -> Asking:
        """A dataset at the head that a step starts from, and where people are asked about it."""
        at = self.at_head(step, dataset)
        return Asking(
            at,
            self.settings.queue,
            self.queue(dataset),
            self.catalog,
            step,
            leaving=self.queue_leaving,
        )
