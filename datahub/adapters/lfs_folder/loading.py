"""Import the files of a folder afresh, and leave no trace of it in the interpreter.

While a folder loads, its files are modules of a private package, and plain `import sibling`
leads to the same module objects. Afterwards neither stays in `sys.modules`; an import inside
a function, which runs when the function is called, finds the same modules all the same. No
bytecode is read from or written beside the user's files.
"""

from __future__ import annotations

import ast
import builtins
import importlib
import importlib.util
import linecache
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, redirect_stdout
from dataclasses import dataclass, field
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, SourceFileLoader
from pathlib import Path
from types import ModuleType
from typing import Any

from datahub.core.errors import LabelingFunctionError, told

PACKAGE = "_datahub_lfs"
_one_at_a_time = threading.RLock()  # sys.modules and sys.path are the whole process's


@dataclass(frozen=True)
class LoadedFile:
    """One file of the folder, as it was when it ran."""

    path: Path
    module: ModuleType
    text: str
    tree: ast.Module


@dataclass
class Sources:
    """The files of one folder, in the order in which they finished loading.

    `modules` are all modules that came from the folder, those in subfolders included: name
    to file; `held` are the modules themselves, which stand in `sys.modules` only while `open`.
    """

    folder: Path
    files: list[LoadedFile] = field(default_factory=list)
    modules: dict[str, str] = field(default_factory=dict)
    held: dict[str, ModuleType] = field(default_factory=dict)
    open: bool = False

    def holds(self, file: str | None) -> bool:
        """Whether a file's name, as modules and code objects carry it, is in the folder."""
        return file is not None and Path(file).is_relative_to(self.folder)

    def imported(self, name: str) -> ModuleType | None:
        """The folder's module that a function means by importing `name` (dots: relative).

        None for all others, and for one that does not import: the function will say so.
        """
        level = len(name) - len(name.lstrip("."))
        package = {"__package__": PACKAGE}
        try:
            found = _Import(self)(name[level:], package, None, ("__name__",), level)
        except Exception:  # noqa: BLE001  whatever a file does
            return None
        return found if found.__name__ in self.modules else None


def load(folder: Path, *, shown: Callable[[Path], str]) -> Sources:
    """Import all files of the folder in the order of their names.

    Raises LabelingFunctionError naming the file and line that failed; `shown` says how a
    path reads in a message.
    """
    sources = Sources(folder)
    with _one_at_a_time, _importable(sources) as stems:
        for stem in stems:
            if not stem.startswith(("_", ".")):
                _import(stem, sources, shown)
    return sources


def _import(stem: str, sources: Sources, shown: Callable[[Path], str]) -> None:
    if "." in stem:
        raise LabelingFunctionError(
            f"{shown(sources.folder / stem)}.py has a dot in its name, so Python cannot import it.",
            hint="Rename it, or begin its name with '_' or '.' to leave it out.",
        )
    try:
        importlib.import_module(f"{PACKAGE}.{stem}")
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # whatever a file does: sys.exit() too
        path, line = _where(error, sources) or (sources.folder / f"{stem}.py", 1)
        text, hint = _said(error)
        text = text.replace(str(sources.folder), shown(sources.folder))
        raise LabelingFunctionError(
            f"{shown(path)}:{line} does not import: {text}", hint=hint
        ) from error


def _said(error: BaseException) -> tuple[str, str]:
    """What an import said, and what to do next."""
    if isinstance(error, LabelingFunctionError):
        return error.message, error.hint
    if isinstance(error, SyntaxError):
        return f"SyntaxError: {error.msg}", "Fix that line; nothing was run."
    text = told(error)
    if isinstance(error, ImportError) and "circular import" in text:
        return text, (
            "Two files import each other. Move what both need to a third, whose name may begin "
            "with '_'."
        )
    return text, "Fix that line; nothing was run."


def _where(error: BaseException, sources: Sources) -> tuple[Path, int] | None:
    if isinstance(error, SyntaxError) and sources.holds(error.filename):
        return Path(str(error.filename)), error.lineno or 1
    found = None
    at = error.__traceback__
    while at is not None:
        if sources.holds(at.tb_frame.f_code.co_filename):
            found = Path(at.tb_frame.f_code.co_filename), at.tb_lineno
        at = at.tb_next
    return found


@contextmanager
def _importable(sources: Sources) -> Iterator[list[str]]:
    paths = sorted(path for path in sources.folder.glob("*.py") if path.is_file())
    files = {path.stem: path for path in paths if path.stem != "__init__"}
    package = ModuleType(PACKAGE)
    package.__path__ = [str(sources.folder)]
    finder = _Finder(files, sources)
    before, bytecode = set(sys.modules), sys.dont_write_bytecode
    importlib.invalidate_caches()
    sys.modules[PACKAGE] = package
    sys.modules.update(sources.held)
    sys.meta_path.insert(0, finder)
    sys.path.append(str(sources.folder))  # for subfolders; last, so that it hides nothing
    sys.dont_write_bytecode = sources.open = True
    try:
        with redirect_stdout(sys.stderr):
            yield list(files)
    finally:
        sys.dont_write_bytecode, sources.open = bytecode, False
        sys.path.remove(str(sources.folder))
        sys.meta_path.remove(finder)
        sys.path_importer_cache.pop(str(sources.folder), None)
        for name in set(sys.modules) - before:
            module = sys.modules[name]
            file = getattr(module, "__file__", None)
            if sources.holds(file):
                sources.modules[name] = str(file)
            if sources.holds(file) or _is_subfolder(module, sources):
                sources.held[name] = module
                del sys.modules[name]


def _is_subfolder(module: ModuleType, sources: Sources) -> bool:
    """Whether it is a folder without `__init__.py`, which has no file."""
    path = getattr(module, "__path__", ())
    return getattr(module, "__file__", None) is None and any(map(sources.holds, path))


class _Import:
    """`__import__` as the folder's files have it: also after loading, they find one another.

    What is imported while a function runs is remembered: it is asked for on every row.
    """

    def __init__(self, sources: Sources) -> None:
        self._sources = sources
        self._known: dict[tuple[object, ...], ModuleType] = {}
        self._tops: dict[str, bool] = {}

    def __call__(
        self,
        name: str,
        globals: Mapping[str, Any] | None = None,
        locals: Mapping[str, Any] | None = None,
        fromlist: Sequence[str] | None = (),
        level: int = 0,
    ) -> ModuleType:
        package = str((globals or {}).get("__package__") or "") if level else ""
        if not self._is_ours(name, package):
            return builtins.__import__(name, globals, locals, fromlist or (), level)
        meant = (name, package, level, *(fromlist or ()))
        if meant not in self._known:
            with _one_at_a_time, self._reachable():
                self._known[meant] = builtins.__import__(
                    name, globals, locals, fromlist or (), level
                )
        return self._known[meant]

    def _reachable(self) -> AbstractContextManager[object]:
        return nullcontext() if self._sources.open else _importable(self._sources)

    def _is_ours(self, name: str, package: str) -> bool:
        if package:
            return package.partition(".")[0] == PACKAGE
        top = name.partition(".")[0]
        if top not in self._tops:
            folder = self._sources.folder
            self._tops[top] = top not in sys.stdlib_module_names and (
                (folder / f"{top}.py").is_file()
                or ((folder / top).is_dir() and importlib.util.find_spec(top) is None)
            )
        return self._tops[top]


class _Finder(MetaPathFinder):
    """Finds the folder's files by private and by plain name; the standard library goes first."""

    def __init__(self, files: dict[str, Path], sources: Sources) -> None:
        self._files = files
        self._sources = sources

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        package, _, stem = fullname.rpartition(".")
        if stem not in self._files:
            return None
        if package == PACKAGE:
            file = str(self._files[stem])
            loader = _Fresh(fullname, file, self._sources)
            return importlib.util.spec_from_file_location(fullname, file, loader=loader)
        if package or stem in sys.stdlib_module_names:
            return None
        return ModuleSpec(fullname, _Sibling(f"{PACKAGE}.{stem}"))


class _Fresh(SourceFileLoader):
    """Compiles what stands in the file now, whatever `__pycache__` remembers."""

    def __init__(self, fullname: str, path: str, sources: Sources) -> None:
        super().__init__(fullname, path)
        self._sources = sources

    def exec_module(self, module: ModuleType) -> None:
        path = Path(self.path)
        linecache.checkcache(self.path)
        text = importlib.util.decode_source(path.read_bytes())
        tree = ast.parse(text, filename=self.path)
        vars(module)["__builtins__"] = {**vars(builtins), "__import__": _Import(self._sources)}
        exec(compile(tree, self.path, "exec", dont_inherit=True), vars(module))
        self._sources.files.append(LoadedFile(path, module, text, tree))


class _Sibling(Loader):
    """Leads `import sibling` to the module that the file already is, or loads it."""

    def __init__(self, private: str) -> None:
        self._private = private
        self._spec: Any = None

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        module = importlib.import_module(self._private)
        self._spec = module.__spec__
        return module

    def exec_module(self, module: ModuleType) -> None:
        module.__spec__ = self._spec
