"""Label models made by name, with options of their own that people give."""

from __future__ import annotations

import math
from collections.abc import Mapping
from inspect import Parameter, signature

from datahub.core.errors import InputError
from datahub.hub.registry import adapter
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
