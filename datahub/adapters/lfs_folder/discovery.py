"""The labeling functions of a folder of plain Python files, in the process that imports them.

Every `*.py` of the folder is imported afresh at each `discover_lfs`, except names that start
with an underscore (siblings may import those) or a dot. An LF is a Snorkel
`LabelingFunction` or one of datahub's own, bound at the top of a file or in a
list or tuple there. Snorkel is known by its shape and never imported here.
"""

from __future__ import annotations

import ast
import inspect
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePath
from typing import Any, TypeGuard

from datahub.adapters.lfs_folder.fingerprints import fingerprint
from datahub.adapters.lfs_folder.importing import LoadedFile
from datahub.adapters.lfs_folder.loading import Sources, load
from datahub.adapters.lfs_folder.onnx_files import OnnxPredictor
from datahub.core.batch import BatchLF
from datahub.core.declarative_lf import DeclarativeLF
from datahub.core.errors import LabelingFunctionError, PromptNotReady
from datahub.core.labeling import LabelingFunction
from datahub.core.model_lf import ModelLF
from datahub.core.prompt_lf import PromptLF
from datahub.ports import FoundLF, LeftOut

NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")
_NO_LF = "{} {!r} is no labeling function, and is left out."
_SLICE = "slicing function"


@dataclass(frozen=True)
class LiveLF:
    """A labeling function that can be called, and what is known of it."""

    lf: LabelingFunction
    found: FoundLF

    def voting(self, classes: Sequence[str]) -> LiveLF:
        """The same on a dataset with these classes. Raises LabelingFunctionError."""
        lf = self.lf
        if isinstance(lf, DeclarativeLF | BatchLF):
            lf = lf.for_classes(classes)
        return LiveLF(lf, self.found.voting(classes))


@dataclass(frozen=True)
class FolderLFs:
    """All LFs of a folder, and what is left out of it, and why."""

    lfs: list[LiveLF]
    left_out: list[LeftOut]
    slices: list[LiveLF] = field(default_factory=list)  # Snorkel's, that say which rows are of one


def discover_lfs(
    project: Path, folder: Path, *, model: str | None = None, alone: bool = False
) -> FolderLFs:
    """The LFs of `folder` in order of file and definition; files are named relative to `project`.

    Prompts get `model` where they name none: those that have none then are left out. None: prompts
    are as they were written. Files import their siblings by plain or relative
    name, at their top or inside a function; nobody else can import them afterwards. `alone`: this
    process loads no other folder, so that files may find siblings by `importlib` too.

    Raises LabelingFunctionError: a file does not import, a name is invalid or stands twice,
    none found.
    """
    return _Discovery(project, folder, model, alone=alone).run()


class _Discovery:
    def __init__(self, project: Path, folder: Path, model: str | None, *, alone: bool) -> None:
        self._project = project
        self._alone = alone
        self._folder = folder
        self._model = model
        self._left_out: list[LeftOut] = []

    def run(self) -> FolderLFs:
        sources = load(self._folder, display=self._display, alone=self._alone)
        self._left_out = [
            LeftOut(name, self._display(file.path), _line(item, file), _NO_LF.format(kind, name))
            for file in sources.files
            for kind, name, item in (*_non_lfs(vars(file.module).values()), *_decorated(file))
        ]
        places = sorted(self._places(sources), key=lambda place: place.file.path.name)
        self._check_names(places)
        if not places:
            raise LabelingFunctionError(
                f"No labeling function in {self._display(self._folder)}.",
                hint="`datahub lf new NAME` writes one. Or write it at the top of a file there: "
                'LFS = [keywords("goal", ["goal", "striker"], 3)] after '
                "`from datahub import keywords`.",
            )
        lfs = [live for place in places if (live := self._live_or_left(place, sources)) is not None]
        if not lfs:
            raise LabelingFunctionError(
                f"Every labeling function is left out. {self._left_out[-1]}",
                hint="Fix one of them, or write another: `datahub lf new NAME`.",
            )
        return FolderLFs(lfs, self._left_out, self._slices(sources, {lf.found.name for lf in lfs}))

    def _slices(self, sources: Sources, names: set[str]) -> list[LiveLF]:
        """Slicing functions, each once; not those that have the name of an LF or an invalid one."""
        slices = []
        for file in sources.files:
            for kind, name, item in _non_lfs(vars(file.module).values()):
                if kind == _SLICE and name not in names and NAME.fullmatch(name):
                    names.add(name)
                    digest, safe = fingerprint(item, file, sources)
                    place, line = self._display(file.path), _line(item, file)
                    slices.append(LiveLF(item, FoundLF(name, digest, place, line, "slice", safe)))
        return slices

    def _places(self, sources: Sources) -> Iterator[_Place]:
        ids: set[int] = set()
        for file in sources.files:  # a file that is imported by another finished before it
            for lf in _lfs(vars(file.module).values()):
                if id(lf) not in ids:
                    ids.add(id(lf))
                    yield _Place(lf, file, _line(lf, file))

    def _check_names(self, places: Iterable[_Place]) -> None:
        first: dict[str, _Place] = {}
        for place in places:
            name, at = place.lf.name, self._at(place.file, place.line)
            if not (isinstance(name, str) and NAME.fullmatch(name)):
                raise LabelingFunctionError(
                    f"{at}: {name!r} cannot be the name of a labeling function.",
                    hint="Use letters, digits, '_', '.' and '-', starting with a letter or '_'.",
                    lf=str(name),
                )
            rival = first.setdefault(name, place)
            lines = [self._at(rival.file, rival.line), at] if rival is not place else []
            lines = lines or [self._at(place.file, line) for line in _redefinitions(place)]
            if lines:
                raise LabelingFunctionError(
                    f"Labeling function {name!r} stands twice: {' and '.join(lines)}.",
                    hint="Rename one of them: votes, tables and reasons go by the name.",
                    lf=name,
                )

    def _live_or_left(self, place: _Place, sources: Sources) -> LiveLF | None:
        """None for a prompt that nobody can be asked: the others can run without it."""
        try:
            return self._live(place, sources)
        except PromptNotReady as error:
            file = self._display(place.file.path)
            self._left_out.append(LeftOut.until_ready(error, file, place.line))
            return None

    def _live(self, place: _Place, sources: Sources) -> LiveLF:
        lf = self._wire(place.lf)
        digest, safe = fingerprint(lf, place.file, sources)
        facts = FoundLF(
            name=lf.name,
            fingerprint=digest,
            file=self._display(place.file.path),
            line=place.line,
            kind=lf.kind if isinstance(lf, DeclarativeLF | BatchLF) else "snorkel",
            safe=safe,
            label=lf.label if isinstance(lf, DeclarativeLF) else None,
            class_names=lf.class_names if isinstance(lf, DeclarativeLF | BatchLF) else None,
            model_file=_model_file(place.lf),
        )
        return LiveLF(lf, facts)

    def _wire(self, lf: LabelingFunction) -> LabelingFunction:
        lf = with_files(lf, self._project)
        if isinstance(lf, PromptLF) and self._model is not None:
            return lf.asking(self._model)
        return lf

    def _at(self, file: LoadedFile, line: int) -> str:
        return f"{self._display(file.path)}:{line}"

    def _display(self, path: Path) -> str:
        return display_path(path, self._project)


def with_files(lf: LabelingFunction, project: Path) -> LabelingFunction:
    """The LF with the file that it names as its model, which is seen from the project."""
    if isinstance(lf, ModelLF) and isinstance(lf.predictor, PurePath):
        return replace(lf, predictor=OnnxPredictor(project / lf.predictor, lf=lf.name))
    return lf


def _model_file(lf: LabelingFunction) -> str:
    is_file = isinstance(lf, ModelLF) and isinstance(lf.predictor, PurePath)
    return lf.predictor.as_posix() if is_file and isinstance(lf, ModelLF) else ""


def display_path(path: Path, project: Path) -> str:
    """How a path reads in messages and in commits: from the project on."""
    inside = path.is_relative_to(project)
    return (path.relative_to(project) if inside else path).as_posix()


@dataclass(frozen=True)
class _Place:
    lf: LabelingFunction
    file: LoadedFile
    line: int


def _lfs(values: Iterable[object]) -> Iterator[LabelingFunction]:
    for value in values:
        if _is_lf(value):
            yield value
        elif isinstance(value, list | tuple):
            yield from (lf for lf in value if _is_lf(lf))


def _is_lf(value: object) -> TypeGuard[LabelingFunction]:
    if isinstance(value, DeclarativeLF | BatchLF):
        return True
    return _is_snorkels(value, "labeling", "LabelingFunction") and not _is_slice(value)


def _is_slice(value: object) -> bool:
    """Whether it says which rows are of a slice: Snorkel derives those from its LFs."""
    return _is_snorkels(value, "slicing", "SlicingFunction")


def _is_snorkels(value: object, package: str, kind: str) -> bool:
    return any(
        base.__module__.startswith(f"snorkel.{package}") and base.__name__.endswith(kind)
        for base in type(value).__mro__
    )


def _non_lfs(values: Iterable[object]) -> Iterator[tuple[str, str, Any]]:
    """What Snorkel has beside LFs: (what it is, its name, itself)."""
    for value in values:
        for item in value if isinstance(value, list | tuple) else (value,):
            if _is_slice(item):
                yield _SLICE, str(getattr(item, "name", "?")), item
            elif _is_snorkels(item, "augmentation", "TransformationFunction"):
                yield "transformation function", str(getattr(item, "name", "?")), item


def _decorated(file: LoadedFile) -> Iterator[tuple[str, str, Any]]:
    """Transformation functions of a decorator: their class is that of any preprocessor."""
    for node in file.tree.body:
        decorators = node.decorator_list if isinstance(node, ast.FunctionDef) else ()
        words = {part.id for d in decorators for part in ast.walk(d) if isinstance(part, ast.Name)}
        words |= {
            part.attr for d in decorators for part in ast.walk(d) if isinstance(part, ast.Attribute)
        }
        if isinstance(node, ast.FunctionDef) and "transformation_function" in words:
            item = vars(file.module).get(node.name)
            if _is_snorkels(item, "map", "Mapper"):
                yield "transformation function", str(getattr(item, "name", node.name)), item


def _line(lf: LabelingFunction, file: LoadedFile) -> int:
    function = getattr(lf, "_f", None)
    function = inspect.unwrap(function) if callable(function) else None
    if inspect.isfunction(function) and function.__code__.co_filename == str(file.path):
        return function.__code__.co_firstlineno
    for node in ast.walk(file.tree):
        if isinstance(node, ast.Constant) and node.value == lf.name:
            return node.lineno
    return 1


def _redefinitions(place: _Place) -> list[int]:
    """The lines of a decorated `def` that a later one of the same name has replaced."""
    functions = [
        node
        for node in place.file.tree.body
        if isinstance(node, ast.FunctionDef) and node.decorator_list
    ]
    twice = {name for name, n in Counter(node.name for node in functions).items() if n > 1}
    names = {name for name, value in vars(place.file.module).items() if value is place.lf} & twice
    return [node.decorator_list[0].lineno for node in functions if node.name in names]
