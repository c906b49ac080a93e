"""`datahub label`: votes to labels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from datahub.cli.context import Branch, Dataset, Json, Ref, open_hub
from datahub.cli.output import emit_json, line, share, table
from datahub.cli.promise import acceptance_line, balance
from datahub.core.errors import ConfigError
from datahub.hub import results

if TYPE_CHECKING:
    from collections.abc import Sequence

    from datahub.core.scoring import Accuracy, Judged, SliceScore
    from datahub.flow.label.compare import Comparison, ModelLine
    from datahub.flow.label.dev import ByDev
    from datahub.flow.label.fit import Alike, Balance, FitReport
    from datahub.flow.label.looking import EndModelLooks
    from datahub.flow.label.score import Score

_CLASSES = 20  # that are shown
_PAIRS = 12  # of classes that are confused

app = typer.Typer(help="Labels: fit the label model to the votes.", no_args_is_help=True)


@app.command()
def fit(
    model: Annotated[
        str | None,
        typer.Option(
            "--model",
            help="anchored, dawid-skene, weighted, bayes, snorkel or majority "
            "(default: the project's).",
        ),
    ] = None,
    end_model: Annotated[
        str | None, typer.Option(help="sklearn, or none (default: the project's).")
    ] = None,
    class_balance: Annotated[
        str,
        typer.Option(
            help="Share of each class in order, such as 0.9,0.1, or `estimated` from the majority "
            "vote (default: uniform)."
        ),
    ] = "",
    option: Annotated[
        list[str] | None,
        typer.Option(help="Option of the label model, may be repeated: --option lr=0.005."),
    ] = None,
    seed: Annotated[
        int | None, typer.Option(help="Of the models (default: the project's).")
    ] = None,
    features: Annotated[
        str | None,
        typer.Option(
            help="Columns that the end model looks at, texts and numbers: text,length "
            "(default: the project's; else the text column)."
        ),
    ] = None,
    embedding: Annotated[
        str | None, typer.Option(help="A column of lists of floats for the end model.")
    ] = None,
    max_error: Annotated[
        float | None,
        typer.Option(help="Share of accepted labels that may be wrong (default: the project's)."),
    ] = None,
    dev: Annotated[
        str | None,
        typer.Option(
            help="gold or audit: choose model, class balance and temperature by some rows of it."
        ),
    ] = None,
    dev_rows: Annotated[int, typer.Option(help="How many labeled rows may be spent on it.")] = 100,
    dataset: Dataset = None,
    branch: Branch = None,
    json: Json = False,
) -> None:
    """Fit the label model and the end model to the votes, commit soft labels and labels."""
    shares, options = _balance(class_balance), _options(option or ())
    if dev is not None and model is not None:
        raise ConfigError("--dev chooses the label model.", hint="Leave --model out.")
    with open_hub(
        branch,
        label_model=model,
        end_model=end_model,
        seed=seed,
        end_model_columns=features,
        embedding_column=embedding,
        max_error=max_error,
    ) as hub:
        report = hub.label_fit(
            dataset, class_balance=shares, options=options, dev=dev, dev_rows=dev_rows
        )
    if json:
        emit_json(results.Fitted.of(report))
        return
    print_fit(report)
    line(f"committed {report.commit.id[:12]}" if report.changed else "nothing changed")


@app.command()
def compare(
    seeds: Annotated[int, typer.Option(help="How many seeds each model is fitted with.")] = 3,
    end_model: Annotated[
        str | None, typer.Option(help="sklearn, or none (default: the project's).")
    ] = None,
    class_balance: Annotated[
        str, typer.Option(help="Like that of `label fit` (default: uniform).")
    ] = "",
    dataset: Dataset = None,
    branch: Branch = None,
    json: Json = False,
) -> None:
    """Hold all label models against each other on the votes; commit nothing."""
    shares = _balance(class_balance)
    with open_hub(branch, end_model=end_model) as hub:
        comparison = hub.label_compare(dataset, seeds=seeds, class_balance=shares)
    if json:
        emit_json(results.Comparison.of(comparison))
        return
    print_comparison(comparison)


@app.command()
def score(
    slices: Annotated[
        bool, typer.Option(help="Run slicing functions of labeling_functions/ on every row.")
    ] = True,
    ref: Ref = None,
    dataset: Dataset = None,
    branch: Branch = None,
    json: Json = False,
) -> None:
    """Hold labels against gold and audited rows: all, by class, and what is taken for what."""
    with open_hub(branch) as hub:
        report = hub.score(dataset, ref=ref, slices=slices)
    if json:
        emit_json(results.Score.of(report))
        return
    print_score(report)


def print_score(report: Score) -> None:
    """Print a line a group of rows, then a line a class, then what is taken for what."""
    if report.gold is not None:
        _print_groups(report)
        _print_judged("gold", report.gold)
    if report.audit is not None:
        _print_judged("audit", report.audit)
    for what, trust in (("gold rows", report.gold_trust), ("audited rows", report.audit_trust)):
        if trust is not None:
            line(
                f"trust in labels of {trust.rows} {what}: {trust.trust:.2f} on the mean, "
                f"{share(trust.right)} are right; calibration error {trust.error:.2f}"
            )
    if report.slices:
        _print_slices(report.slices)


def _print_slices(slices: Sequence[SliceScore]) -> None:
    line("\nBy slice")
    columns = ["slice", "rows", "right by gold", "95% interval", "by audit", "95% interval"]
    rows = [(s.name, s.rows, *_right(s.gold), *_right(s.audit)) for s in slices[:_CLASSES]]
    table(columns, rows)
    if len(slices) > len(rows):
        line(f"and {len(slices) - len(rows)} other slices: --json has all")
    for found in slices:
        if found.faults:
            line(f"slice {found.name} raised on {found.faults} rows, which are not in it")


def _right(accuracy: Accuracy | None) -> tuple[str, str]:
    if accuracy is None:
        return "-", "-"
    return share(accuracy.accuracy), _interval(accuracy.interval, accuracy.labeled)


def _print_judged(judge: str, score: Judged) -> None:
    whole = score.everything
    low, high = score.interval
    what = {"gold": "gold rows", "audit": "audited rows, whose labels are the models' own"}[judge]
    line(
        f"\nBy {whole.rows} {what}: {share(whole.accuracy)} of {whole.labeled} labels are right "
        f"(95%: {share(low)} to {share(high)})"
    )
    classes = sorted(score.classes, key=lambda c: -c.rows)[:_CLASSES]
    names = {c.name for c in classes}
    columns = ["class", "rows", "labeled", "precision", "95% interval", "recall", "95% interval"]
    rows = [
        (
            c.name,
            c.rows,
            c.labeled,
            share(c.precision),
            _interval(c.precision_interval, c.labeled),
            share(c.recall),
            _interval(c.recall_interval, c.rows),
        )
        for c in score.classes
        if c.name in names
    ]
    table(columns, rows)
    if len(score.classes) > len(rows):
        line(f"and {len(score.classes) - len(rows)} classes of fewer rows: --json has all")
    _print_confusion(score)


def _print_confusion(score: Judged) -> None:
    wrong = sorted((c for c in score.confusion if c.truth != c.label), key=lambda c: -c.rows)
    if not wrong:
        return
    rows = [(c.truth, c.label or "(none)", c.rows) for c in wrong[:_PAIRS]]
    table(["is", "label", "rows"], rows)
    if len(wrong) > _PAIRS:
        rest = sum(c.rows for c in wrong[_PAIRS:])
        line(f"and {rest} rows in {len(wrong) - _PAIRS} other pairs: --json has all")


def _interval(ends: tuple[float, float], of: int) -> str:
    return f"{share(ends[0])}-{share(ends[1])}" if of else "-"


def _print_groups(report: Score) -> None:
    groups = (
        ("all rows", report.everything),
        ("rows nobody was asked about", report.not_asked),
        ("rows accepted without a person", report.accepted),
    )
    rows = [
        (name, group.rows, group.labeled, share(group.accuracy), share(group.right_of_all))
        for name, group in groups
    ]
    table(["group", "rows with gold", "labeled", "right of labeled", "right of all"], rows)
    if report.spent:
        line(f"{report.spent} rows that the label model was chosen by are not among them")


def print_comparison(comparison: Comparison) -> None:
    """Print a line a model: what it thinks of itself, what gold says, how firm it is."""
    columns = ["model", "agrees with default", "estimated", "right", "95% interval", "gold rows"]
    rows = [
        (
            model.model,
            _agreement(model, comparison.default),
            share(model.estimated),
            share(model.accuracy),
            "-" if model.interval is None else "-".join(share(end) for end in model.interval),
            model.gold_rows,
            _range(model.accuracies),
            share(model.seed_spread),
            f"{model.seconds:.2f}",
        )
        for model in comparison.models
    ]
    table([*columns, "right, all seeds", "rows the seed decides", "s"], rows)
    for model in comparison.models:
        if model.left_out:
            line(f"{model.model} left out: {model.left_out}")
    line(
        f"{comparison.covered} of {comparison.rows} rows have a vote; all shares are of these. "
        f"{len(comparison.seeds)} seeds."
    )
    line(balance(comparison.balance_from, comparison.class_balance))
    print_alike(comparison.correlated)


def print_alike(groups: Sequence[Alike]) -> None:
    """Name LFs that repeat one another, with what a vote of each counts."""
    for group in groups:
        if set(group.shares) == {1.0}:  # the model cannot count them as fewer
            line(f"LFs that repeat one another, each counted in full: {', '.join(group.lfs)}")
            continue
        parts = (f"{lf} {part:.2f}" for lf, part in zip(group.lfs, group.shares, strict=True))
        line(f"LFs that repeat one another, and what a vote of each counts: {', '.join(parts)}")


def _agreement(model: ModelLine, default: str) -> str:
    return "default" if model.model == default else share(model.agreement.get(default))


def _range(accuracies: Sequence[float]) -> str:
    if not accuracies:
        return "-"
    return f"{share(min(accuracies))}-{share(max(accuracies))}"


def print_fit(report: FitReport) -> None:
    """Print what fitting came to."""
    table(["status", "rows"], list(report.statuses.items()))
    classes = list(report.classes.items())
    largest = dict(sorted(classes, key=lambda item: -item[1])[:_CLASSES])
    table(["class", "rows"], [(name, rows) for name, rows in classes if name in largest])
    if len(classes) > len(largest):
        rest = sum(rows for name, rows in classes if name not in largest)
        line(f"and {rest} rows of {len(classes) - len(largest)} other classes: --json has all")
    names = report.model if report.end_model == "none" else f"{report.model} x {report.end_model}"
    line(
        f"{names}: {report.covered} of {report.rows} rows have a vote, "
        f"{share(report.agreement)} of them agree with the majority vote"
    )
    triage = report.triage
    line(f"rows with a vote: {acceptance_line(triage.covered, triage)}")
    if report.uncovered:
        line(
            f"{report.uncovered} rows have no vote: "
            f"{acceptance_line(triage.uncovered, triage, is_uncovered=True)}"
        )
    line(f"outcomes: {', '.join(f'{name} {n}' for name, n in report.outcomes.items())}")
    if report.end_model != "none":
        line(f"the end model looks at {', '.join(report.features)}")
        if report.looks is not None and report.looks.likelihoods:
            _print_looks(report.looks)
        line(f"the end model changed {report.changed_by_end_model} labels of the label model")
    line(balance(report.balance_from, report.class_balance))
    if report.chosen is not None:
        _print_choice(report.chosen)
    print_alike(report.correlated)
    for warning in report.warnings:
        line(f"warning: {warning.message} {warning.hint}")


def _print_looks(looks: EndModelLooks) -> None:
    """How well the label model's labels of held-out rows are foretold, by what is looked at."""
    figures = [f"{name} {value:.3f}" for name, value in looks.likelihoods.items()]
    line(
        f"log-likelihood of the label model's labels on {looks.rows} rows, each held out: "
        f"{', '.join(figures)}, class sizes alone {looks.nothing:.3f}; {looks.looks} chosen"
    )


def _print_choice(choice: ByDev) -> None:
    """What labeled rows chose, how sure that is, and what is left to measure with."""
    low, high = choice.interval
    line(
        f"{choice.rows} rows of {choice.source} chose {choice.model}, class balance "
        f"{choice.balance}, temperature {choice.temperature:g}; {choice.folds} of 5 folds agree"
    )
    line(
        f"right on rows that did not choose: {share(choice.right)} "
        f"({share(low)}-{share(high)}), the default {share(choice.default_right)}; "
        f"gain {100 * choice.gain[0]:+.1f} to {100 * choice.gain[1]:+.1f} points"
    )
    line(f"{choice.left} labeled rows of {choice.source} are left to measure with")


def _balance(text: str) -> Balance:
    return "estimated" if text == "estimated" else _shares(text)


def _shares(text: str) -> list[float] | None:
    if not text:
        return None
    try:
        return [float(piece) for piece in text.split(",")]
    except ValueError as error:
        raise ConfigError(
            f"--class-balance {text!r} is not a list of shares.", hint="For example 0.9,0.1"
        ) from error


def _options(texts: Sequence[str]) -> dict[str, float]:
    options: dict[str, float] = {}
    for text in texts:
        name, _, value = text.partition("=")
        try:
            options[name] = int(value) if value.isdecimal() else float(value)
        except ValueError:
            raise ConfigError(
                f"--option {text!r} is no NAME=NUMBER.", hint="For example lr=0.005"
            ) from None
    return options
