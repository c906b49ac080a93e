"""The error tree: every error has one name to import it by, a code of its own, and an exit code."""

from __future__ import annotations

import json
import pkgutil
import subprocess
import sys
from importlib import import_module

from datahub import core
from datahub.cli.app import EXIT_CODES, exit_code
from datahub.core import errors
from datahub.core.errors import DatahubError

LOADED = "import datahub.core.errors, json, sys; print(json.dumps(sorted(sys.modules)))"


def kinds(base: type[DatahubError] = DatahubError) -> list[type[DatahubError]]:
    """Every error that core defines."""
    for module in pkgutil.iter_modules(core.__path__, f"{core.__name__}."):
        import_module(module.name)
    below = [kind for child in base.__subclasses__() for kind in kinds(child)]
    return [base, *(kind for kind in below if kind.__module__.startswith(core.__name__))]


def test_every_error_of_core_is_among_the_errors() -> None:
    assert {kind for kind in kinds() if getattr(errors, kind.__name__, None) is not kind} == set()
    assert {kind.__name__ for kind in kinds()} <= set(errors.__all__)


def test_a_code_names_one_error() -> None:
    codes = [kind.code for kind in set(kinds()) if "code" in vars(kind)]

    assert len(codes) == len(set(codes))


def test_every_error_has_an_exit_code() -> None:
    concrete = [kind for kind in kinds() if kind is not DatahubError]

    assert all(exit_code(kind.__new__(kind)) in EXIT_CODES.values() for kind in concrete)


def test_errors_load_no_table_library() -> None:
    """The command line catches them before anything else is imported."""
    loaded = subprocess.run(
        [sys.executable, "-c", LOADED], capture_output=True, text=True, check=True
    )

    assert {"polars", "numpy", "pyarrow"} & set(json.loads(loaded.stdout)) == set()
