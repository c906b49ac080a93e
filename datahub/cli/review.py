"""`datahub review`: ask people, answer, take the answers in."""

from __future__ import annotations

import select
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from datahub.cli.context import Branch, Dataset, Json, Ref, open_hub
from datahub.cli.output import emit_json, line, share, table, talk
from datahub.cli.promise import acceptance_line, balance
from datahub.core.errors import ConfigError
from datahub.hub import results

if TYPE_CHECKING:
    from datahub.core.agreement import Agreement
    from datahub.core.triage import Task
    from datahub.core.trust import Estimate
    from datahub.flow.review.asking import Discrepancies
    from datahub.flow.review.trust import Plain, Trust
    from datahub.hub import Hub

app = typer.Typer(help="Review: rows that people are asked about.", no_args_is_help=True)

SHOWN_LENGTH = 1_200  # characters of a row that the terminal shows


@app.command()
def push(
    budget: Annotated[
        int | None, typer.Option(min=1, help="Ask about N rows (default: the project's).")
    ] = None,
    queue: Annotated[str | None, typer.Option(help="embedded or label-studio.")] = None,
    dataset: Dataset = None,
    branch: Branch = None,
    json: Json = False,
) -> None:
    """Ask people about the rows whose label is least to be trusted."""
    with open_hub(branch, queue=queue) as hub:
        report = hub.review_push(dataset, budget=budget)
    if json:
        emit_json(results.Pushed.of(report))
        return
    line(f"{report.tasks} rows asked: {report.doubt} doubted, {report.audit} drawn at random")
    _say_found(report.found)
    if report.asked_again:
        talk(f"asked again: {report.asked_again} rows that changed, or whose task was deleted")
    line(f"answer them: {report.where}")


@app.command()
def answer(
    csv: Annotated[
        Path | None, typer.Option("--csv", help="A CSV file with the key column and `label`.")
    ] = None,
    list_only: Annotated[
        bool, typer.Option("--list", help="List open tasks; answer none.")
    ] = False,
    annotator: Annotated[
        str | None, typer.Option(help="Name of who answers (default: you).")
    ] = None,
    queue: Annotated[str | None, typer.Option(help="embedded or label-studio.")] = None,
    dataset: Dataset = None,
    branch: Branch = None,
    json: Json = False,
) -> None:
    """Answer tasks one by one here, or all at once from a file."""
    with open_hub(branch, queue=queue) as hub:
        if csv is not None:
            count = hub.review_answer_file(csv, annotator=annotator, dataset=dataset)
            emit_json(results.Answered(count)) if json else line(f"{count} answers recorded")
            return
        tasks = hub.review_open(dataset, annotator=annotator or hub.settings.author)
        if json:
            emit_json([results.OpenTask.of(task, task=task_id) for task_id, task in tasks])
            return
        guesses = {task_id: _guess(hub, task) for task_id, task in tasks}
        if list_only:
            rows = [(number, t.key, guesses[number], _first(t)) for number, t in tasks]
            table(["task", "key", "guess", "row"], rows)
            return
        classes = hub.dataset(dataset).classes
    if not sys.stdin.isatty():
        raise ConfigError(
            "There is no terminal to ask in.", hint="Answer from a file: --csv answers.csv"
        )
    with open_hub(branch, queue=queue) as hub:
        _ask(hub, tasks, classes, guesses, annotator=annotator, dataset=dataset)


@app.command()
def pull(
    queue: Annotated[str | None, typer.Option(help="embedded or label-studio.")] = None,
    dataset: Dataset = None,
    branch: Branch = None,
    json: Json = False,
) -> None:
    """Take people's answers into the labels. Exits 1 while answers are refused.

    A refused answer is told at each pull until a person has fixed or withdrawn it.
    """
    with open_hub(branch, queue=queue) as hub:
        report = hub.review_pull(dataset)
    if json:
        emit_json(results.Pulled.of(report))
    else:
        suffix = f" ({report.withdrawn} withdrawn)" if report.withdrawn else ""
        line(
            f"{report.annotations} annotations taken{suffix}, {report.changed} labels changed, "
            f"{report.commit.id[:12]}"
        )
        _say_found(report.found)
        table(["status", "rows"], list(report.statuses.items()))
        for key, reason in report.refused:
            talk(f"refused: {key!r}: {reason}")
        if report.asked_again:
            again = len(report.asked_again)
            talk(f"asked again: {again} rows that changed, or whose task was deleted")
    if report.refused:
        raise typer.Exit(1)


@app.command()
def report(
    ref: Ref = None, dataset: Dataset = None, branch: Branch = None, json: Json = False
) -> None:
    """Say what is accepted and how wrong unchecked labels are, by the rows drawn at random."""
    with open_hub(branch) as hub:
        trust = hub.review_report(dataset, ref=ref)
        refusals = hub.review_refused(dataset)
    if json:
        emit_json(results.Trust.of(trust, refused=refusals))
        return
    print_trust(trust)
    if refusals:
        line("answers that could not be taken:")
        table(["key", "reason"], refusals)


def _say_found(findings: Discrepancies) -> None:
    """Print how the queue differs from the ledger."""
    counts = (
        (findings.deleted, "tasks were deleted in the queue"),
        (findings.doubled, "tasks were there twice, and were taken back"),
        (findings.foreign, "tasks there are not datahub's"),
    )
    for count, text in counts:
        if count:
            talk(f"{count} {text}")
    for note in findings.notes:
        talk(note)


def print_trust(trust: Trust) -> None:
    """Print the measured error of each group of rows."""
    groups = (
        ("accepted without a person", trust.accepted),
        ("other labels", trust.doubted),
        ("no LF voted: the end model's guess", trust.uncovered),
    )
    rows = [
        (name, group.rows, group.audited, group.wrong, share(group.error), _interval(group))
        for name, group in groups
    ]
    table(["rows", "count", "audited", "wrong", "error", "95% interval"], rows)
    part = trust.accepted.rows / trust.rows if trust.rows else 0
    line(f"{part:.1%} of all rows have a label that is accepted without a person")
    line(f"rows with a vote: {acceptance_line(trust.triage.covered, trust.triage)}")
    if trust.uncovered.rows:
        silent = acceptance_line(trust.triage.uncovered, trust.triage, is_uncovered=True)
        line(f"rows without: {silent}")
    line(f"outcomes: {', '.join(f'{name} {n}' for name, n in trust.outcomes.items())}")
    line(f"labels of {trust.model}, {balance(trust.balance_from, trust.class_balance)}")
    if trust.plain is not None:
        line(_plainly(trust.plain))
    _print_agreement(trust.agreement)


def _print_agreement(agreement: Agreement) -> None:
    """Print who answered how much, and how far people agree where several answered."""
    if not agreement.people:
        return
    rows = [
        (p.name, p.answers, p.skipped, p.shared, share(p.agreed / p.shared if p.shared else None))
        for p in agreement.people
    ]
    table(["annotator", "answers", "skipped", "shared", "agrees with the others"], rows)
    if agreement.rows:
        alpha = "not defined" if agreement.alpha is None else f"{agreement.alpha:.2f}"
        line(
            f"{agreement.rows} rows were answered by two people or more, who say the same on "
            f"{agreement.same} ({share(agreement.same / agreement.rows)}); "
            f"Krippendorff's alpha: {alpha}"
        )
    elif len(agreement.people) > 1:
        line("no row was answered by two people: `overlap = 2` in datahub.toml asks two about each")


def _plainly(plain: Plain) -> str:
    if plain.better:
        verdict = "plain supervision is better here: answers are worth more than LFs"
    elif plain.worse:
        verdict = "the LFs are worth having"
    else:
        verdict = "too few audited rows to tell which is better"
    return (
        f"a model taught by the {plain.answers} answers alone is right on {plain.plain} of "
        f"{plain.audited} audited rows, these labels on {plain.weak}: {verdict} "
        f"(p = {plain.p_value:.3f})"
    )


def _interval(group: Estimate) -> str:
    low, high = group.interval
    return f"{low:.1%} to {high:.1%}"


def _guess(hub: Hub, task: Task) -> str | None:
    """What a person is shown of a task beside the row: audit rows must look like others."""
    if hub.settings.guesses == "hidden":
        return None
    from datahub.core.blinding import shown_guess  # polars is slow to load

    return shown_guess(task, audit_share=hub.settings.audit_share)


def _ask(
    hub: Hub,
    tasks: list[tuple[str, Task]],
    classes: tuple[str, ...],
    guesses: dict[str, str | None],
    *,
    annotator: str | None,
    dataset: str | None,
) -> None:
    count = 0
    choices = "  ".join(f"{i + 1} {name}" for i, name in enumerate(classes))
    for number, (task_id, task) in enumerate(tasks, start=1):
        line(f"\n--- {number} of {len(tasks)}")
        for name, text in task.fields.items():
            line(f"{name}: {text[:SHOWN_LENGTH]}{' ...' if len(text) > SHOWN_LENGTH else ''}")
        guess = guesses[task_id]
        line(f"{choices}{f'  Enter {guess}' if guess else ''}  s skip  q quit")
        label = _choice(classes, guess)
        if label == "q":
            break
        hub.review_answer([(task_id, label or None)], annotator=annotator, dataset=dataset)
        count += 1
    line(f"{count} answered. `datahub review pull` takes them into the labels.")


def _choice(classes: tuple[str, ...], guess: str | None) -> str:
    """A class name, "" for a skip, "q" to quit."""
    while True:
        text = _read_line("label: ")
        if text == "" and guess:
            return guess
        if text in ("s", "q"):
            return "" if text == "s" else "q"
        if text in classes:
            return text
        if text.isdigit() and 1 <= int(text) <= len(classes):
            return classes[int(text) - 1]
        talk(f"1 to {len(classes)}, a class name, s or q")


def _read_line(prompt: str) -> str:
    """A line that a person typed. Ctrl-C and Ctrl-D end the command.

    A blocking read would have Ctrl-C wait for Enter: polars' signal handler restarts it.
    """
    sys.stdout.write(prompt)
    sys.stdout.flush()
    while not select.select([sys.stdin], [], [], 0.2)[0]:
        pass  # Python looks for signals here
    text = sys.stdin.readline()
    if not text:
        raise typer.Abort
    return text.strip()


def _first(task: Task) -> str:
    return next(iter(task.fields.values()))[:80]
