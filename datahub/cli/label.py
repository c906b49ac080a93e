"""`datahub label`: votes to labels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from datahub.cli.context import Branch, Dataset, Json, opened
from datahub.cli.output import emit_json, line, share, table
from datahub.core.errors import ConfigError

if TYPE_CHECKING:
    from datahub.flow.label import Balance, Fitted

app = typer.Typer(help="Labels: fit the label model to the votes.", no_args_is_help=True)


@app.command()
def fit(
    model: Annotated[
        str | None,
        typer.Option(
            "--model",
            help="dawid-skene, weighted, bayes, snorkel or majority [default: the project's].",
        ),
    ] = None,
    end_model: Annotated[
        str | None, typer.Option(help="sklearn, or none [default: the project's].")
    ] = None,
    class_balance: Annotated[
        str,
        typer.Option(
            help="Shares of the classes in order, 0.9,0.1, or `estimated` from the majority vote "
            "[default: uniform]."
        ),
    ] = "",
    seed: Annotated[
        int | None, typer.Option(help="Of the models [default: the project's].")
    ] = None,
    dataset: Dataset = None,
    branch: Branch = None,
    json: Json = False,
) -> None:
    """Fit the label model and the end model to the votes, commit soft labels and labels."""
    balance: Balance = "estimated" if class_balance == "estimated" else _shares(class_balance)
    with opened(branch, label_model=model, end_model=end_model, seed=seed) as hub:
        fitted = hub.label_fit(dataset, class_balance=balance)
    if json:
        emit_json(fitted)
        return
    print_fitted(fitted)
    line(f"committed {fitted.commit.id[:12]}")


def print_fitted(fitted: Fitted) -> None:
    """Print what fitting came to."""
    table(["status", "rows"], list(fitted.statuses.items()))
    table(["class", "rows"], list(fitted.classes.items()))
    names = fitted.model if fitted.end_model == "none" else f"{fitted.model} x {fitted.end_model}"
    line(
        f"{names}: {fitted.covered} of {fitted.rows} rows have a vote, "
        f"{share(fitted.agreement)} of them agree with the majority vote"
    )
    line(f"{fitted.uncovered} rows have no vote and no label")
    if fitted.end_model != "none":
        line(f"the end model changed {fitted.changed_by_end_model} labels of the label model")
    balance = ", ".join(f"{name} {part:.3f}" for name, part in fitted.class_balance.items())
    line(f"class balance {fitted.balance_from}: {balance}")
    for group in fitted.correlated:
        parts = (f"{lf} {part:.2f}" for lf, part in zip(group.lfs, group.shares, strict=True))
        line(f"LFs that repeat one another, and what a vote of each counts: {', '.join(parts)}")


def _shares(text: str) -> list[float] | None:
    if not text:
        return None
    try:
        return [float(piece) for piece in text.split(",")]
    except ValueError as error:
        raise ConfigError(
            f"--class-balance {text!r} is no list of shares.", hint="For example 0.9,0.1"
        ) from error
