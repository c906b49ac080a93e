"""`import` as the files of a folder have it: they find one another, and nobody else finds them.

The modules are held here. Each stands in `sys.modules` only while it runs, under a private name
(`dataclasses` looks its module up there); with a package name of its own, two folders share
nothing, in whichever threads they load. No bytecode is read from or written beside the files.
"""

from __future__ import annotations

import ast
import builtins
import importlib.util
import linecache
import sys
import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import (
    EXTENSION_SUFFIXES,
    SOURCE_SUFFIXES,
    ExtensionFileLoader,
    FileFinder,
    ModuleSpec,
    SourceFileLoader,
)
from pathlib import Path
from types import ModuleType
from typing import Any

from datahub.core.syntax import parse_module


@dataclass(frozen=True)
class LoadedFile:
    """One file of the folder, as it was when it ran."""

    path: Path
    module: ModuleType
    text: str
    tree: ast.Module


class Importer:
    """What stands for `__import__` in the modules of a folder.

    `modules` are all that came from the folder, by their private names; `files` are those at its
    top, in the order in which they finished. What is imported while a function runs is
    remembered: it is asked for on every row.
    """

    def __init__(self, folder: Path, package: str) -> None:
        self.folder = folder
        self.package = package
        self.files: list[LoadedFile] = []
        root = ModuleType(package)
        root.__path__ = [str(folder)]
        self.modules: dict[str, ModuleType] = {package: root}
        self._answers: dict[tuple[object, ...], ModuleType] = {}
        self._tops: dict[str, bool] = {}
        self._lock = threading.RLock()

    def __call__(
        self,
        name: str,
        globals: Mapping[str, Any] | None = None,
        locals: Mapping[str, Any] | None = None,
        fromlist: Sequence[str] | None = (),
        level: int = 0,
    ) -> ModuleType:
        """What an `import` statement binds, as `__import__` says it."""
        package = str((globals or {}).get("__package__") or "") if level else ""
        if not self._is_ours(name, package):
            return builtins.__import__(name, globals, locals, fromlist or (), level)
        question = (name, package, level, *(fromlist or ()))
        if question not in self._answers:
            with self._lock:
                self._answers[question] = self._import(name, package, fromlist or (), level)
        return self._answers[question]

    def module(self, name: str) -> ModuleType:
        """The module of a private name; it runs if it has not. Raises what its file raises."""
        with self._lock:
            if name in self.modules:
                return self.modules[name]
            parent, _, stem = name.rpartition(".")
            package = self.module(parent)
            if name not in self.modules:
                setattr(package, stem, self._run(name, getattr(package, "__path__", ())))
            return self.modules[name]

    def private(self, name: str) -> str:
        """The name that a module has here."""
        return f"{self.package}.{name}"

    def has(self, name: str) -> bool:
        """Whether `import name` means a file or subfolder of the folder."""
        return self._is_ours(name, "")

    def _import(self, name: str, package: str, fromlist: Iterable[str], level: int) -> ModuleType:
        relative = "." * level + name
        private = importlib.util.resolve_name(relative, package) if level else self.private(name)
        module = self.module(private)
        if not fromlist:
            return self.module(self.private(name.partition(".")[0]))  # `import a.b` binds a
        for child in fromlist:
            if child != "*" and hasattr(module, "__path__") and not hasattr(module, child):
                self._import_child(f"{private}.{child}")
        return module

    def _import_child(self, name: str) -> None:
        """`from package import child`: the statement tells where there is no such thing."""
        try:
            self.module(name)
        except ModuleNotFoundError as error:
            if error.name != name:
                raise

    def _run(self, name: str, path: Iterable[str]) -> ModuleType:
        spec = next(filter(None, (_spec(name, folder, self) for folder in path)), None)
        if spec is None:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        module = importlib.util.module_from_spec(spec)
        self.modules[name] = sys.modules[name] = module
        try:
            if spec.loader is not None:  # else a folder without __init__.py
                vars(spec)["_initializing"] = True  # an import in a circle is told as one
                spec.loader.exec_module(module)
        except BaseException:
            del self.modules[name]
            raise
        finally:
            vars(spec)["_initializing"] = False
            del sys.modules[name]
        return module

    def _is_ours(self, name: str, package: str) -> bool:
        if package:
            return package.partition(".")[0] == self.package
        top = name.partition(".")[0]
        if top not in self._tops:
            self._tops[top] = top not in sys.stdlib_module_names and (
                (self.folder / f"{top}.py").is_file()
                or ((self.folder / top).is_dir() and not _is_installed(top))
            )
        return self._tops[top]


class PlainNames(MetaPathFinder):
    """For `importlib.import_module("sibling")`: the module that the file already is, or becomes.

    It goes before all other finders of a process, so it is for one that loads one folder.
    """

    def __init__(self, importer: Importer) -> None:
        self._importer = importer

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Where a module of the folder comes from; None for all others."""
        if fullname.startswith(self._importer.package) or not self._importer.has(fullname):
            return None
        return ModuleSpec(fullname, _Sibling(self._importer, self._importer.private(fullname)))


class _Sibling(Loader):
    def __init__(self, importer: Importer, private: str) -> None:
        self._importer = importer
        self._private = private
        self._spec: Any = None

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        module = self._importer.module(self._private)
        self._spec = module.__spec__
        return module

    def exec_module(self, module: ModuleType) -> None:
        module.__spec__ = self._spec


class _Fresh(SourceFileLoader):
    """Compiles what stands in the file now, whatever `__pycache__` remembers."""

    def __init__(self, fullname: str, path: str, importer: Importer) -> None:
        super().__init__(fullname, path)
        self._importer = importer

    def exec_module(self, module: ModuleType) -> None:
        path = Path(self.path)
        linecache.checkcache(self.path)
        text = importlib.util.decode_source(path.read_bytes())
        tree = parse_module(text, filename=self.path)
        vars(module)["__builtins__"] = {**vars(builtins), "__import__": self._importer}
        exec(compile(tree, self.path, "exec", dont_inherit=True), vars(module))
        if path.parent == self._importer.folder:
            self._importer.files.append(LoadedFile(path, module, text, tree))


def _spec(name: str, folder: str, importer: Importer) -> ModuleSpec | None:
    def fresh(fullname: str, path: str) -> _Fresh:
        return _Fresh(fullname, path, importer)

    kinds: list[Any] = [(ExtensionFileLoader, EXTENSION_SUFFIXES), (fresh, SOURCE_SUFFIXES)]
    spec = FileFinder(folder, *kinds).find_spec(name)
    if spec is not None and spec.loader is None and spec.submodule_search_locations is not None:
        spec.submodule_search_locations = list(spec.submodule_search_locations)
    return spec


def _is_installed(top: str) -> bool:
    """Whether the process finds a package of that name, whatever folders we have."""
    finders = (finder for finder in sys.meta_path if not isinstance(finder, PlainNames))
    return any(finder.find_spec(top, None) is not None for finder in finders)
