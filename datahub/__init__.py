"""datahub: data-centric labeling with versioned datasets.

The public face, light to import: names load what they need on first use. Files in
labeling_functions/ import from here and from nowhere else in datahub.

    from datahub import ABSTAIN, expression, keywords, lookup, model, prompt, regex, threshold
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datahub.core.declarative import expression, keywords, lookup, regex, threshold
    from datahub.core.errors import DatahubError
    from datahub.core.labels import ABSTAIN
    from datahub.core.model_lf import model
    from datahub.core.prompt_lf import prompt
    from datahub.hub import Hub

__version__ = "0.1.0"
__all__ = [
    "ABSTAIN",
    "DatahubError",
    "Hub",
    "expression",
    "keywords",
    "lookup",
    "model",
    "prompt",
    "regex",
    "threshold",
]

_HOMES = {
    "ABSTAIN": "datahub.core.labels",
    "DatahubError": "datahub.core.errors",
    "Hub": "datahub.hub",
    "expression": "datahub.core.declarative",
    "keywords": "datahub.core.declarative",
    "lookup": "datahub.core.declarative",
    "model": "datahub.core.model_lf",
    "prompt": "datahub.core.prompt_lf",
    "regex": "datahub.core.declarative",
    "threshold": "datahub.core.declarative",
}

logging.getLogger(__name__).addHandler(logging.NullHandler())  # quiet, unless somebody listens


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module 'datahub' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOMES[name]), name)
