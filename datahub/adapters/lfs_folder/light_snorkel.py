"""Snorkel without pandas, SciPy and scikit-learn, until one of them is used.

`snorkel.labeling` imports all three for its analysis and its appliers: two seconds of work for each
process that only wants `labeling_function`. While Snorkel's own modules are imported, those
packages stand there as names: a name that is called, or asked for a part, imports the real one.
Everybody else who imports them gets them.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType
from typing import Any

_HEAVY = ("pandas", "scipy", "scipy.sparse", "sklearn", "sklearn.metrics")
_IMPORT_THEM = {
    *("snorkel.labeling.analysis", "snorkel.labeling.apply.pandas", "snorkel.labeling.utils"),
    "snorkel.map.core",
}


def install() -> None:
    """From now on, in this process."""
    sys.meta_path.insert(0, _Finder())


class _Name(type):
    """The type of a class of a package that is not imported yet."""

    def __call__(cls, *arguments: Any, **keywords: Any) -> Any:
        return _real(cls)(*arguments, **keywords)

    def __getattr__(cls, name: str) -> Any:
        if name.startswith("__"):  # asked for by typing, of whatever it is given
            raise AttributeError(name)
        return getattr(_real(cls), name)

    def __instancecheck__(cls, value: object) -> bool:
        """Without the package, nothing is an instance of its classes. Asked for on every row."""
        module = sys.modules.get(cls.__module__)
        return module is not None and isinstance(value, getattr(module, cls.__name__))

    def __subclasscheck__(cls, kind: type) -> bool:
        module = sys.modules.get(cls.__module__)
        return module is not None and issubclass(kind, getattr(module, cls.__name__))


class _Package(ModuleType):
    """A package that is not imported yet: its names are, once they are used."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        module = sys.modules.get(self.__name__, self)
        if module is self:
            value: Any = _Name(name, (), {"__module__": self.__name__})
        else:
            value = getattr(module, name)
        setattr(self, name, value)  # next time it is asked for as any attribute is
        return value


def _real(name: type) -> Any:
    return getattr(importlib.import_module(name.__module__), name.__name__)


class _Finder(MetaPathFinder):
    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname not in _IMPORT_THEM:
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
        packages = {name: _Package(name) for name in _HEAVY if name not in sys.modules}
        for name, package in packages.items():
            parent, _, child = name.rpartition(".")
            if parent in packages:
                setattr(packages[parent], child, package)
            package.__path__ = []  # its submodules are found in sys.modules, or are not asked for
        sys.modules.update(packages)
        try:
            self._loader.exec_module(module)
        finally:
            for name in packages:
                del sys.modules[name]
