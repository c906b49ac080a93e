"""Act one as calls: votes, labels, and how right they are."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict, replace

from datahub.core.errors import (
    Conflict,
    InputError,
    LabelingFunctionError,
    PromptNotReady,
)
from datahub.core.labeling import LabelingFunction, with_numbers
from datahub.core.lf_sight import Disagreement, Sight, Votes
from datahub.core.manifest import LFEntry
from datahub.flow.dataset import tables
from datahub.flow.dataset.at import At
from datahub.flow.history.status import lf_edits
from datahub.flow.label import compare, score
from datahub.flow.label import fit as label
from datahub.flow.label import run as lfs
from datahub.flow.label import views as lf_views
from datahub.flow.label.dev import MOST
from datahub.flow.label.here import LFsHere
from datahub.flow.label.looking import Eyes
from datahub.flow.label.report import LFReport
from datahub.flow.label.suggest import ROWS, SuggestReport, suggest_lfs
from datahub.hub.backends import named_end_model
from datahub.hub.label_models import dev_by, label_model
from datahub.hub.lf_scaffold import lf_file
from datahub.hub.registry import REGISTRY
from datahub.hub.wiring import Wiring
from datahub.ports import LeftOut, LFWorkers


class Labeling(Wiring):
    """votes -> label model -> labels."""

    def labeling_functions(self) -> list[LabelingFunction]:
        """The project's LFs, ready to be called: also by Snorkel's appliers.

        Those that vote by class names do so by the numbers they have in the project's dataset.
        Nothing else imports their files into this process: here their code can reach all that
        this process can, its environment and its keys.
        """
        name, classes = self.settings.dataset, tuple[str, ...]()
        if name and name in tables.datasets_at(self.store, self.branch):
            classes = self.dataset(name).classes
        outcome = self.lf_source.load()
        self.warn_once(map(str, outcome.left_out))
        return [with_numbers(lf, classes) if classes else lf for lf in outcome.lfs]

    def lf_run(self, dataset: str | None = None, *, jobs: int | None = None) -> LFReport:
        """Let labeling functions vote where they have not; on `jobs` processes."""
        step = self.step()

        def run(workers: LFWorkers, leave_out: Collection[str]) -> LFReport:
            return lfs.run_lfs(
                self.at_head(step, dataset),
                workers,
                step,
                max_fault_share=self.settings.max_fault_share,
                files=self.project.lf_files,
                root=self.settings.root.resolve(),
                leave_out=leave_out,
                journal=self.vote_journal,
            )

        report = self._with_those_ready(run, jobs or self.settings.jobs)
        figures = {"rows": report.rows, "votes": report.votes, "coverage": report.coverage}
        if self.spending is not None:
            figures |= {f"prompt_{name}": figure for name, figure in asdict(self.spending).items()}
        self.ran("lf run", step, report.commit, figures)
        return replace(report, spent=self.spending)

    def lf_try(
        self,
        lfs: Sequence[LabelingFunction] | int | None = None,
        dataset: str | None = None,
        *,
        sample: int = 1000,
    ) -> LFReport:
        """Let labeling functions vote on a random sample; nothing is committed.

        `lfs` are functions that lie in no file, such as a notebook's: they run in this process.
        Without them, the project's; a number is the size of the sample. `tried` of the report has
        the votes: `LFAnalysis(report.tried.matrix)`. Raises InputError: what is no LF.
        """
        size = lfs if isinstance(lfs, int) else sample
        own = None if isinstance(lfs, int) else lfs

        def run(workers: LFWorkers, leave_out: Collection[str]) -> LFReport:
            return lf_views.try_lfs(
                self.at(dataset),
                workers,
                sample=size,
                seed=self.settings.seed,
                root=self.settings.root.resolve(),
                progress=self.progress,
                leave_out=leave_out,
            )

        if own is not None:
            report = run(LFsHere([self.lf_source.prepare(lf) for lf in own]), ())
        else:
            report = self._with_those_ready(run, jobs=1)
        return replace(report, spent=self.spending)

    def _with_those_ready(
        self, run: Callable[[LFWorkers, Collection[str]], LFReport], jobs: int
    ) -> LFReport:
        """Run the project's LFs; again without a prompt that nobody can be asked, which is named.

        A prompt without an endpoint shows only where it has to ask: votes and answers of before
        serve without one. Raises PromptNotReady: no LF is left.
        """
        omissions: dict[str, LeftOut] = {}
        while True:
            with self.lf_workers(jobs) as workers:
                try:
                    report = run(workers, omissions)
                except PromptNotReady as error:
                    prompt = next(lf for lf in workers.lfs if lf.name == error.lf)
                    omissions[error.lf] = LeftOut.until_ready(error, prompt.file, prompt.line)
                    if len(omissions) == len(workers.lfs):
                        raise
                else:
                    self.warn_once(map(str, omissions.values()))
                    return replace(report, left_out=(*workers.left_out, *omissions.values()))

    def lf_stats(
        self, dataset: str | None = None, *, ref: str | None = None, gold: bool | None = None
    ) -> LFReport:
        """The LF table; accuracy is in it where gold is given (or asked for)."""
        at = self.at(dataset, ref=ref)
        return lf_views.lf_stats(at, gold=at.dataset.has_gold if gold is None else gold)

    def lf_test(
        self, name: str, dataset: str | None = None, *, sample: int = 1000, show: int = 5
    ) -> Sight:
        """See what one LF hits and misses on a random sample, and what contradicts it.

        Nothing is committed. `show` rows of each kind are shown.
        """
        with self.lf_workers() as workers:
            sight = lf_views.see_lf(
                self.at(dataset),
                name,
                workers,
                sample=sample,
                show=show,
                seed=self.settings.seed,
                root=self.settings.root.resolve(),
                progress=self.progress,
            )
        return replace(sight, spent=self.spending)

    def lf_conflicts(
        self,
        first: str,
        second: str,
        dataset: str | None = None,
        *,
        ref: str | None = None,
        show: int = 20,
    ) -> Disagreement:
        """The rows on which two LFs voted for different classes, `show` of them at random."""
        at = self.at(dataset, ref=ref)
        return lf_views.conflicts(at, first, second, show=show, seed=self.settings.seed)

    def votes(self, dataset: str | None = None, *, ref: str | None = None) -> Votes:
        """The committed label matrix as numpy: what Snorkel's own tools take."""
        return lf_views.all_votes(self.at(dataset, ref=ref))

    def lf_new(
        self,
        name: str,
        dataset: str | None = None,
        *,
        kind: str = "keywords",
        column: str | None = None,
    ) -> str:
        """Write labeling_functions/NAME.py with an LF to begin from; return its path.

        Raises InputError (no such kind, no such name, no column for it), Conflict (there is a
        file or an LF of that name).
        """
        columns, text, classes = None, None, tuple[str, ...]()
        target = dataset or self.settings.dataset
        if target and target in tables.datasets_at(self.store, self.branch):
            current = self.dataset(target)
            columns = dict(
                sorted(current.columns, key=lambda column_type: column_type[0] == current.key)
            )  # key last
            text, classes = current.text, current.classes
        path, content = lf_file(
            name, kind, columns=columns, text=text, column=column, classes=classes
        )
        if name in self._lf_names() or not self.project.scaffold({path: content}):
            raise Conflict(
                f"There is a labeling function {name!r} already.", hint="Choose another name."
            )
        return path

    def lf_suggest(
        self,
        dataset: str | None = None,
        *,
        source: str = "gold",
        most_rows: int = ROWS,
        most: int = 5,
        write: str | None = None,
    ) -> SuggestReport:
        """Propose LFs by at most `most_rows` labeled rows, measured on the half that chose none.

        `source` is gold or answers. With `write` the code is put into labeling_functions/NAME.py,
        where no file of that name is; nothing runs by itself. Raises InputError (too few labeled
        rows), NotFound (no gold), Conflict (there is such a file).
        """
        at = self.at(dataset)
        report = suggest_lfs(
            at, source=source, most_rows=most_rows, most=most, seed=self.settings.seed
        )
        if write is None:
            return report
        if not write.isidentifier():
            raise InputError(f"{write!r} cannot name a file of LFs.", hint="Letters, digits, '_'.")
        path = f"labeling_functions/{write}.py"
        if not self.project.scaffold({path: report.code}):
            raise Conflict(f"There is a file {path} already.", hint="Choose another name.")
        return replace(report, file=path)

    def _lf_names(self) -> list[str]:
        """Names that are taken; none of a folder that is empty or broken just now."""
        try:
            return [lf.name for lf in self.lf_source.discover()]
        except LabelingFunctionError:
            return []

    def label_fit(
        self,
        dataset: str | None = None,
        *,
        class_balance: label.Balance = None,
        options: Mapping[str, float] | None = None,
        end_model: str | None = None,
        dev: str | None = None,
        dev_rows: int = MOST,
    ) -> label.FitReport:
        """Fit the label model and the end model, make labels of both.

        `end_model` is `sklearn` or `none`; without it the project's setting.
        `class_balance` is a share a class, "estimated" from the majority vote, or uniform (None).
        `options` are the label model's own: Snorkel's `lr`, `n_epochs`, `l2`, ...

        `dev` ("gold" or "audit") chooses model, class balance and temperature by at most `dev_rows`
        labeled rows, which measure nothing afterwards. Raises InputError: beside `class_balance`
        or `options`, or too few rows.
        """
        step = self.step()
        self._say_edits(self.at_head(step, dataset))
        fitting = label.Fitting(
            model=label_model(self.settings.label_model, options),
            options=options or {},
            majority=label_model("majority"),
            end_model=self.end_model if end_model is None else named_end_model(end_model),
            columns=self.end_model_columns,
            embedding=self.settings.embedding_column or None,
            looks=self.end_model_looks,
            seed=self.settings.seed,
            class_balance=class_balance,
            policy=self.policy,
            dev=dev_by(dev, dev_rows, class_balance, options),
        )
        report = label.label_fit(self.at_head(step, dataset), fitting, step)
        self.ran("label fit", step, report.commit, {"rows": report.rows, **report.statuses})
        return report

    def _say_edits(self, at: At) -> None:
        """Warn of LFs that were edited since they voted: labels would be those of the old ones."""
        if at.votes is None or not all(lf.file for lf in at.votes.lfs):
            return  # votes of a file have no code here
        if not self._may_be_edited(at, at.votes.lfs):
            return
        try:
            edits = lf_edits(at, self.lf_source.discover())
        except LabelingFunctionError as error:
            self.warn_once([f"the LFs cannot be read, and labels are of earlier votes: {error}"])
            return
        self.warn_once(f"{edit.what}. Labels are of the votes; first {edit.hint}" for edit in edits)

    def _may_be_edited(self, at: At, lfs: Sequence[LFEntry]) -> bool:
        """Whether files of LFs are other than those that voted; told without running any."""
        now = {path: text for path, text in self.project.lf_files().texts.items() if text}
        files = {lf.file for lf in lfs}
        if not now:
            return False
        if now.keys() != files or any(lf.kind == "model" for lf in lfs):
            return True  # what is only imported, or a model's file, may be another now
        oids = {path: at.contents.find(path) for path in files}
        return any(oid is None or at.store.read(oid) != now[path] for path, oid in oids.items())

    def label_compare(
        self,
        dataset: str | None = None,
        *,
        seeds: int = 3,
        class_balance: label.Balance = None,
        ref: str | None = None,
    ) -> compare.Comparison:
        """Hold all label models against each other; nothing is committed.

        Each is fitted with as many seeds as said, from the project's seed on.
        """
        return compare.compare(
            self.at(dataset, ref=ref),
            models={name: label_model(name) for name in REGISTRY["label_model"]},
            eyes=Eyes(
                self.end_model,
                self.end_model_columns,
                self.settings.embedding_column or None,
                self.end_model_looks,
                self.settings.seed,
            ),
            default=self.settings.label_model,
            seeds=range(self.settings.seed, self.settings.seed + seeds),
            clock=time.perf_counter,
            class_balance=class_balance,
            progress=self.progress,
        )

    def score(
        self, dataset: str | None = None, *, ref: str | None = None, slices: bool = True
    ) -> score.Score:
        """How right the labels are, against gold and against audited rows, in all and by class.

        With `slices` also by Snorkel's slicing functions in labeling_functions/, where there are
        some: they see every row. Raises NotFound: no labels yet, or neither gold nor answers to
        audited rows.
        """
        at = self.at(dataset, ref=ref)
        if not (slices and self._may_slice()):
            return score.score_labels(at)
        with self.lf_source.workers(self.settings.jobs) as workers:
            return score.score_labels(at, workers, self.progress)

    def _may_slice(self) -> bool:
        """Whether a file of the LFs speaks of slices; told without running any."""
        return any(b"slic" in text for text in self.project.lf_files().texts.values())
