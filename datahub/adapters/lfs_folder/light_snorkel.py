"""Snorkel without scikit-learn, until that is used.

`snorkel.labeling` imports scikit-learn, and with it SciPy's statistics, for one function of its
analysis: a second of work for each process that only wants `labeling_function`. While that module
is imported, the function stands there under its name, and imports the real one when it is called.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType
from typing import Any

_ANALYSIS, _METRICS = "snorkel.labeling.analysis", "sklearn.metrics"


def install() -> None:
    """From now on, in this process."""
    sys.meta_path.insert(0, _Finder())


def confusion_matrix(*given: Any, **named: Any) -> Any:
    """What scikit-learn's function of that name says."""
    from sklearn.metrics import confusion_matrix as theirs

    return theirs(*given, **named)


class _Finder(MetaPathFinder):
    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname != _ANALYSIS or _METRICS in sys.modules:
            return None
        spec = PathFinder.find_spec(fullname, path, target)
        if spec is not None and spec.loader is not None:
            spec.loader = _Light(spec.loader)
        return spec


class _Light(Loader):
    def __init__(self, loader: Loader) -> None:
        self._loader = loader

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loader, name)

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self._loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        metrics = ModuleType(_METRICS)
        vars(metrics)["confusion_matrix"] = confusion_matrix
        sys.modules[_METRICS] = metrics
        try:
            self._loader.exec_module(module)
        finally:
            del sys.modules[_METRICS]
