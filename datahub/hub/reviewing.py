"""Act two as calls: ask people, record their answers, take them in."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from datahub.core.dataset import Key
from datahub.core.triage import Task
from datahub.flow.review import pull as review
from datahub.flow.review import trust
from datahub.hub.wiring import Wiring


def _nothing(text: str) -> None:
    """Say nothing."""


class Reviewing(Wiring):
    """triage -> relabel -> final labels."""

    def review_push(
        self, dataset: str | None = None, *, budget: int | None = None
    ) -> review.Pushed:
        """Ask people about the rows whose label is least to be trusted."""
        step = self.step()
        pushed = review.push(
            self.dataset_name(dataset),
            budget=self.settings.budget if budget is None else budget,
            seed=self.settings.seed,
            audit_share=self.settings.audit_share,
            queue_name=self.settings.queue,
            queue_=self.queue(dataset),
            store=self.store,
            rows=self.rows,
            catalog=self.catalog,
            step=step,
        )
        self.ran("review push", step, pushed.commit, {"tasks": pushed.tasks})
        return pushed

    def review_open(
        self, dataset: str | None = None, *, limit: int | None = None, annotator: str = ""
    ) -> list[tuple[str, Task]]:
        """(task id, task) of what waits for an answer (by this person), first to see first."""
        return self.queue(dataset).open_tasks(limit=limit, annotator=annotator)

    def review_answer(
        self,
        answers: Sequence[tuple[str, str | None]],
        *,
        annotator: str | None = None,
        dataset: str | None = None,
    ) -> int:
        """Record answers: (task id, class name or None for a skip)."""
        return review.answer(
            answers,
            dataset=self.dataset_name(dataset),
            ref=self.branch,
            annotator=annotator or self.settings.author,
            queue_=self.queue(dataset),
            store=self.store,
        )

    def review_answer_file(
        self, path: Path | str, *, annotator: str | None = None, dataset: str | None = None
    ) -> int:
        """Record the answers of a file (CSV, Parquet) with the key column and `label`."""
        current = self.dataset(dataset)
        lines = [line for batch in self.rows.batches([Path(path)]) for line in batch.to_dicts()]
        answers = review.answers_by_key(
            lines,
            key=current.key,
            annotator=annotator or self.settings.author,
            queue_=self.queue(dataset),
        )
        return self.review_answer(answers, annotator=annotator, dataset=dataset)

    def review_pull(self, dataset: str | None = None) -> review.PullReport:
        """Take people's answers into the labels."""
        step = self.step()
        report = review.pull(
            self.dataset_name(dataset),
            queue_name=self.settings.queue,
            queue_=self.queue(dataset),
            store=self.store,
            rows=self.rows,
            catalog=self.catalog,
            step=step,
            end_model=self.end_model,
        )
        self.ran("review pull", step, report.commit, {"annotations": report.annotations})
        return report

    def review_refused(self, dataset: str | None = None) -> list[tuple[Key, str]]:
        """(key, reason) of answers that could not be taken, and that nobody has settled yet."""
        return review.refused_answers(
            self.catalog,
            queue_name=self.settings.queue,
            dataset=self.dataset_name(dataset),
            branch=self.branch,
        )

    def labelstudio_start(self, *, say: Callable[[str], None] = _nothing) -> Any:
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
