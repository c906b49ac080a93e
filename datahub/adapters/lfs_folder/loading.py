"""Import the files of a folder afresh, and leave no trace of it in the interpreter.

`importing` says how they find one another: plain `import sibling` and a relative one lead to the
same module, also in a function that runs later.
"""

from __future__ import annotations

import itertools
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from datahub.adapters.lfs_folder.importing import Importer, LoadedFile, PlainNames
from datahub.core.errors import LabelingFunctionError, told

PACKAGE = "_datahub_lfs"
_counter = itertools.count(1)


@dataclass(frozen=True)
class Sources:
    """The files of one folder, in the order in which they finished loading."""

    folder: Path
    importer: Importer

    @property
    def files(self) -> list[LoadedFile]:
        """Those at the top of the folder."""
        return self.importer.files

    def file_of(self, module: str) -> str | None:
        """The file of a module of the folder, in a subfolder too; None for all others."""
        file = getattr(self.importer.modules.get(module), "__file__", None)
        return None if file is None else str(file)

    def holds(self, file: str | None) -> bool:
        """Whether a file's name, as modules and code objects carry it, is in the folder."""
        return file is not None and Path(file).is_relative_to(self.folder)

    def module_of(self, name: str) -> ModuleType | None:
        """The folder's module that a function means by importing `name` (dots: relative).

        None for all others, and for one that does not import: the function will say so.
        """
        level = len(name) - len(name.lstrip("."))
        package = {"__package__": self.importer.package}
        try:
            module = self.importer(name[level:], package, None, ("__name__",), level)
        except Exception:  # noqa: BLE001  whatever a file does
            return None
        return module if self.file_of(module.__name__) else None


def load(folder: Path, *, display: Callable[[Path], str], alone: bool) -> Sources:
    """Import all files of the folder in the order of their names.

    `alone`: the process loads this folder and no other, so that its files may be imported by
    `importlib` too. Raises LabelingFunctionError naming the file and line that failed; `display`
    says how a path reads in a message.
    """
    package = PACKAGE if alone else f"{PACKAGE}_{next(_counter)}"
    sources = Sources(folder, Importer(folder, package))
    if alone:
        sys.meta_path.insert(0, PlainNames(sources.importer))
    for path in sorted(path for path in folder.glob("*.py") if path.is_file()):
        if not path.stem.startswith(("_", ".")):
            _import(path.stem, sources, display)
    return sources


def _import(stem: str, sources: Sources, display: Callable[[Path], str]) -> None:
    if "." in stem:
        raise LabelingFunctionError(
            f"{display(sources.folder / stem)}.py has a dot in its name, "
            "so Python cannot import it.",
            hint="Rename it, or begin its name with '_' or '.' to leave it out.",
        )
    try:
        sources.importer.module(sources.importer.private(stem))
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # whatever a file does: sys.exit() too
        path, line = _where(error, sources) or (sources.folder / f"{stem}.py", 1)
        text, hint = _message(error)
        text = text.replace(str(sources.folder), display(sources.folder))
        raise LabelingFunctionError(
            f"{display(path)}:{line} does not import: {text}", hint=hint
        ) from error


def _message(error: BaseException) -> tuple[str, str]:
    """What an import raised, and what to do next."""
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
    place = None
    trace = error.__traceback__
    while trace is not None:
        if sources.holds(trace.tb_frame.f_code.co_filename):
            place = Path(trace.tb_frame.f_code.co_filename), trace.tb_lineno
        trace = trace.tb_next
    return place
