"""Label models made by name, with options of their own that people give."""

from __future__ import annotations

import math
from collections.abc import Mapping
from inspect import Parameter, signature

from datahub.core.errors import InputError
from datahub.flow.label.dev import Dev
from datahub.flow.label.fit import Balance
from datahub.hub.registry import REGISTRY, adapter
from datahub.ports import LabelModel

_MAY_BE_ZERO = {"l2"}
_SHARES = {"prec_init", "prior_right"}  # between 0 and 1


def label_model(name: str, options: Mapping[str, float] | None = None) -> LabelModel:
    """The label model of that name. Raises InputError for options that it cannot have.

    >>> label_model("snorkel", {"lr": 0.005, "n_epochs": 500}).name
    'snorkel'
    """
    kind = adapter("label_model", name)
    has = {} if kind.__init__ is object.__init__ else signature(kind).parameters
    arguments = {}
    for option, value in (options or {}).items():
        if option not in has:
            raise InputError(
                f"The label model {name!r} has no option {option!r}.",
                hint=f"It has {', '.join(has) or 'none'}.",
            )
        arguments[option] = _check(has[option], value)
    model: LabelModel = kind(**arguments)
    return model


def dev_by(
    source: str | None, most: int, class_balance: Balance, options: Mapping[str, float] | None
) -> Dev | None:
    """How labeled rows choose, where a source is named: among all models but Snorkel's.

    Raises InputError where a class balance or options are given, too.
    """
    if source is None:
        return None
    if class_balance is not None or options:
        raise InputError(
            "A class balance or options were given, and labeled rows are to choose them.",
            hint="Leave out one of the two.",
        )
    models = {name: label_model(name) for name in REGISTRY["label_model"] if name != "snorkel"}
    return Dev(source, models, most)


def _check(option: Parameter, value: float) -> float:
    name, whole = option.name, option.annotation == "int"
    least = value >= 0 if name in _MAY_BE_ZERO else value > 0
    most = value < 1 if name in _SHARES else math.isfinite(value)
    if not (least and most) or (whole and value != int(value)):
        raise InputError(
            f"The label model's {name} cannot be {value!r}.",
            hint=f"By default it is {option.default!r}.",
        )
    return int(value) if whole else float(value)
