"""`datahub label`: votes to labels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from datahub.cli.context import Branch, Dataset, Json, Ref, opened
from datahub.cli.output import emit_json, line, share, table
from datahub.cli.promise import balance, promised
from datahub.core.errors import ConfigError
from datahub.hub import results

if TYPE_CHECKING:
    from collections.abc import Sequence

    from datahub.flow.label.compare import Compared, Comparison
    from datahub.flow.label.fit import Alike, Balance, Fitted
    from datahub.flow.label.score import Score

app = typer.Typer(help="Labels: fit the label model to the votes.", no_args_is_help=True)


@app.command()
def fit(
    model: Annotated[
        str | None,
        typer.Option(
            "--model",
            help="dawid-skene, weighted, bayes, snorkel or majority (default: the project's).",
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
    dataset: Dataset = None,
    branch: Branch = None,
    json: Json = False,
) -> None:
    """Fit the label model and the end model to the votes, commit soft labels and labels."""
    asked, options = _balance(class_balance), _options(option or ())
    with opened(
        branch,
        label_model=model,
        end_model=end_model,
        seed=seed,
        end_model_columns=features,
        embedding_column=embedding,
        max_error=max_error,
    ) as hub:
        fitted = hub.label_fit(dataset, class_balance=asked, options=options)
    if json:
        emit_json(results.Fitted.of(fitted))
        return
    print_fitted(fitted)
    line(f"committed {fitted.commit.id[:12]}" if fitted.changed else "nothing changed")


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
    asked = _balance(class_balance)
    with opened(branch, end_model=end_model) as hub:
        compared = hub.label_compare(dataset, seeds=seeds, class_balance=asked)
    if json:
        emit_json(results.Comparison.of(compared))
        return
    print_comparison(compared)


@app.command()
def score(
    ref: Ref = None, dataset: Dataset = None, branch: Branch = None, json: Json = False
) -> None:
    """Hold the labels of a commit against gold: all, not asked, accepted without a person."""
    with opened(branch) as hub:
        scored = hub.score(dataset, ref=ref)
    if json:
        emit_json(results.Score.of(scored))
        return
    print_score(scored)


def print_score(scored: Score) -> None:
    """Print a line a group of rows."""
    groups = (
        ("all rows", scored.everything),
        ("rows nobody was asked about", scored.not_asked),
        ("rows accepted without a person", scored.accepted),
    )
    rows = [
        (name, one.rows, one.labeled, share(one.accuracy), share(one.right_of_all))
        for name, one in groups
    ]
    table(["group", "rows with gold", "labeled", "right of labeled", "right of all"], rows)


def print_comparison(compared: Comparison) -> None:
    """Print a line a model: what it thinks of itself, what gold says, how firm it is."""
    columns = ["model", "agrees with default", "estimated", "right", "95% interval", "gold rows"]
    rows = [
        (
            one.model,
            "default" if one.model == compared.default else _agreed(one, compared.default),
            share(one.estimated),
            share(one.accuracy),
            "-" if one.interval is None else "-".join(share(bound) for bound in one.interval),
            one.gold_rows,
            _range(one.accuracies),
            share(one.seed_spread),
            f"{one.seconds:.2f}",
        )
        for one in compared.models
    ]
    table([*columns, "right, all seeds", "rows the seed decides", "s"], rows)
    for one in compared.models:
        if one.left_out:
            line(f"{one.model} left out: {one.left_out}")
    line(
        f"{compared.covered} of {compared.rows} rows have a vote; all shares are of these. "
        f"{len(compared.seeds)} seeds."
    )
    line(balance(compared.balance_from, compared.class_balance))
    print_alike(compared.correlated)


def print_alike(groups: Sequence[Alike]) -> None:
    """Name LFs that repeat one another, with what a vote of each counts."""
    for group in groups:
        if set(group.shares) == {1.0}:  # the model cannot count them as fewer
            line(f"LFs that repeat one another, each counted in full: {', '.join(group.lfs)}")
            continue
        parts = (f"{lf} {part:.2f}" for lf, part in zip(group.lfs, group.shares, strict=True))
        line(f"LFs that repeat one another, and what a vote of each counts: {', '.join(parts)}")


def _agreed(one: Compared, default: str) -> str:
    return share(one.agreement.get(default))


def _range(accuracies: Sequence[float]) -> str:
    if not accuracies:
        return "-"
    return f"{share(min(accuracies))}-{share(max(accuracies))}"


def print_fitted(fitted: Fitted) -> None:
    """Print what fitting came to."""
    table(["status", "rows"], list(fitted.statuses.items()))
    table(["class", "rows"], list(fitted.classes.items()))
    names = fitted.model if fitted.end_model == "none" else f"{fitted.model} x {fitted.end_model}"
    line(
        f"{names}: {fitted.covered} of {fitted.rows} rows have a vote, "
        f"{share(fitted.agreement)} of them agree with the majority vote"
    )
    triage = fitted.triage
    line(f"rows with a vote: {promised(triage.covered, triage)}")
    if fitted.uncovered:
        line(
            f"{fitted.uncovered} rows have no vote: "
            f"{promised(triage.uncovered, triage, uncovered=True)}"
        )
    line(f"outcomes: {', '.join(f'{name} {n}' for name, n in fitted.outcomes.items())}")
    if fitted.end_model != "none":
        line(f"the end model looks at {', '.join(fitted.features)}")
        line(f"the end model changed {fitted.changed_by_end_model} labels of the label model")
    line(balance(fitted.balance_from, fitted.class_balance))
    print_alike(fitted.correlated)


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
    found: dict[str, float] = {}
    for text in texts:
        name, _, value = text.partition("=")
        try:
            found[name] = int(value) if value.isdecimal() else float(value)
        except ValueError:
            raise ConfigError(
                f"--option {text!r} is no NAME=NUMBER.", hint="For example lr=0.005"
            ) from None
    return found
