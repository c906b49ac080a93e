"""The fingerprint of a labeling function: SHA-256 over everything that decides its votes.

A declarative LF is its `spec()`. A model is that and its classifier: an ONNX file's bytes, or
a scikit-learn object's class, version, parameters and fitted arrays. A Snorkel LF is read as
far as it reaches: the text of its function, the values of its closure, defaults, resources and
preprocessors, and of the globals it names; functions and classes of the same folder by their
text, and so on from there; installed packages by name and version. Nothing in it depends on
where the folder stands, on the version of Python, or on comments and values that the LF does
not reach.

What cannot be read that way (an open file, a loaded model, the clock) goes in by the name of
its type, and state that a call changes by its name; then the LF is marked as not safe: its votes
may change under an equal fingerprint.
"""

from __future__ import annotations

import collections
import datetime
import decimal
import enum
import fractions
import functools
import hashlib
import json
import logging
import operator
import re
import types
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import numpy as np
import polars as pl

from datahub.adapters.lfs_folder.asking import external_names, is_asking
from datahub.adapters.lfs_folder.elsewhere import ASKING_BUILTINS, ASKING_MODULES, version_of
from datahub.adapters.lfs_folder.importing import LoadedFile
from datahub.adapters.lfs_folder.loading import PACKAGE, Sources
from datahub.adapters.lfs_folder.mutation import changed_names
from datahub.adapters.lfs_folder.onnx_files import OnnxPredictor
from datahub.adapters.lfs_folder.texts import Texts, names
from datahub.core.batch import BatchLF
from datahub.core.declarative_lf import DeclarativeLF
from datahub.core.labeling import LOOK_OF_ROWS, LabelingFunction
from datahub.core.memory import LOOK_OF_MEMORY
from datahub.core.model_lf import ModelLF

_PLAIN: tuple[type, ...] = (bool, int, float, complex, str, bytes, range)
_PLAIN += (type(None), type(...), type(NotImplemented))
_PLAIN += (datetime.date, datetime.datetime, datetime.time, datetime.timedelta, datetime.timezone)
_PLAIN += (decimal.Decimal, fractions.Fraction)
_DUNDERS = {"__name__", "__doc__", "__package__", "__spec__", "__debug__", "__class__"}
_SLOTS: tuple[type, ...] = (types.MemberDescriptorType, types.GetSetDescriptorType)
_SLOTS += (type(vars(collections.namedtuple("_One", "x"))["x"]),)
_MAKING = {"__init__", "__new__", "__post_init__", "__init_subclass__", "__set_name__"}
_STATEFUL = {"sklearn", "scipy"}  # libraries whose objects hold no more than they are copied by
# What a Snorkel preprocessor remembers of rows; the address of a vectorizer's stop words; how
# long a grid search took.
_OWN_STATE = {"_cache", "_stop_words_id", "cv_results_", "refit_time_"}


def fingerprint(lf: LabelingFunction, file: LoadedFile, sources: Sources) -> tuple[str, bool]:
    """Return (SHA-256 in hexadecimal, whether it covers everything)."""
    reading = _Reading(sources)
    if isinstance(lf, DeclarativeLF):
        reading.declarative(lf, file)
    elif isinstance(lf, BatchLF):
        reading.batch(lf)
    else:
        reading.say("snorkel", lf.name, version_of("snorkel") or "", "rows", LOOK_OF_ROWS)
        if getattr(lf, "_pre", ()):  # votes of before may have seen what another LF wrote
            reading.say("memory", LOOK_OF_MEMORY)
        reading.resources(lf)
        reading.value(lf)
    return hashlib.sha256(json.dumps(reading.words).encode()).hexdigest(), reading.safe


class _Reading:
    """One walk over what an LF reaches, written down as a list of words."""

    def __init__(self, sources: Sources) -> None:
        self.words: list[str] = []
        self.safe = True
        self._sources = sources
        self._texts = Texts(sources)
        self._met: dict[int, int] = {}
        self._held: list[object] = []  # so that no id is given twice

    def say(self, *words: str) -> None:
        self.words.extend(words)

    def unsafe(self, reason: str) -> None:
        self.safe = False
        self.say("?", reason)

    def declarative(self, lf: DeclarativeLF, file: LoadedFile | None = None) -> None:
        spec = json.dumps(lf.spec(), sort_keys=True, separators=(",", ":"))
        if "AnonymousFunction" in spec:  # Python inside the expression, pickled with its paths
            spec = file.text if file else ""
            self.unsafe("python in an expression")
        self.say("declarative", lf.name, spec, "polars", pl.__version__.split(".")[0])

    def batch(self, lf: BatchLF) -> None:
        self.say("batch", lf.name, json.dumps(lf.spec(), sort_keys=True))
        if isinstance(lf, ModelLF):
            self.value(lf.predictor)

    def _onnx(self, value: OnnxPredictor) -> None:
        self.say("onnx", value.sha256, version_of("onnxruntime") or "")

    def resources(self, lf: Any) -> None:
        """An LF is given its resources, the same at every call, as parameters."""
        function = vars(lf).get("_f")
        if isinstance(function, types.FunctionType) and self._texts.function(function.__code__):
            self._changes(function, *vars(lf).get("_resources", ()))

    def value(self, value: Any) -> None:
        if type(value) in _PLAIN:
            self.say(type(value).__name__, repr(value))
        elif id(value) in self._met:
            self.say("again", str(self._met[id(value)]))
        else:
            self._met[id(value)] = len(self._held)
            self._held.append(value)
            self._reader(value)(value)
            if not isinstance(value, _REFERENCES):  # an equal list is as good as the same list
                del self._met[id(value)]

    def _reader(self, value: object) -> Callable[[Any], None]:
        for kinds, reader in _READERS:
            if isinstance(value, kinds):
                return functools.partial(reader, self)
        return self._instance

    def values(self, values: Iterable[object]) -> None:
        self.say("(")
        for value in values:
            self.value(value)
        self.say(")")

    def _sequence(self, value: Iterable[object]) -> None:
        self._say_type(value)
        self.values(value)

    def _set(self, value: Iterable[object]) -> None:
        self._say_type(value)
        self.say("(", *sorted(json.dumps(self._apart(item)) for item in value), ")")

    def _apart(self, value: object) -> list[str]:
        """The words of a value as if it were met alone: sets have no order of their own."""
        if type(value) in _PLAIN:
            return [type(value).__name__, repr(value)]
        alone = _Reading(self._sources)
        alone.value(value)
        self.safe = self.safe and alone.safe
        return alone.words

    def _mapping(self, value: Mapping[object, object]) -> None:
        self._say_type(value)  # in its own order: a loop over it may return at the first hit
        self.values(part for item in value.items() for part in item)
        if isinstance(value, collections.defaultdict):
            self.value(value.default_factory)

    def _say_type(self, value: object) -> None:
        """Say the type; a type of the user's, with what an instance holds beside its items."""
        self.say(type(value).__name__)
        if self._is_ours(type(value)):
            self.value(type(value))
            self._state(value)

    def _enum(self, value: enum.Enum) -> None:
        self.say("enum", type(value).__qualname__, value.name)
        self.value(value.value)
        if self._is_ours(type(value)):
            self.value(type(value))

    def _pattern(self, value: re.Pattern[str]) -> None:
        self.say("pattern", repr(value.pattern), str(int(value.flags)))

    def _array(self, value: np.ndarray[Any, Any] | np.generic) -> None:
        array = np.asarray(value)
        self.say("array", array.dtype.str, repr(array.shape))
        if array.dtype.hasobject:
            self.values(array.ravel().tolist())
        else:
            self.say(hashlib.sha256(array.tobytes()).hexdigest())

    def _partial(self, value: functools.partial[object]) -> None:
        self.say("partial")
        self.values((value.func, value.args, value.keywords))

    def _reduce(self, value: Any) -> None:
        self.values(value.__reduce__())

    def _unwrap(self, value: Any) -> None:
        self.say(type(value).__name__)
        for name in ("__wrapped__", "__func__", "__self__", "fget", "func"):
            if hasattr(value, name):
                self.value(getattr(value, name))
                if name == "__wrapped__":
                    break

    def _builtin(self, value: Any) -> None:
        owner = getattr(value, "__self__", None)
        if owner is None or isinstance(owner, types.ModuleType):
            self._elsewhere(value.__module__ or "builtins", value.__qualname__)
        else:
            self.say("method", value.__name__)
            if isinstance(owner, type) and is_asking(value.__name__):  # now = datetime.now
                self.unsafe(value.__name__)
            self.value(owner)

    def _ufunc(self, value: np.ufunc) -> None:
        self._elsewhere("numpy", value.__name__)

    def _descriptor(self, value: Any) -> None:
        self._elsewhere(value.__objclass__.__module__, value.__qualname__)

    def _module(self, value: types.ModuleType) -> None:
        if self._is_ours(value):
            self.unsafe("a module as a value")
        else:
            self._elsewhere(value.__name__, "")

    def _elsewhere(self, module: str, name: str) -> None:
        """What was installed is known by its version; the standard library by its name."""
        module = module.replace(self._sources.importer.package, PACKAGE)  # equal in any process
        top = module.partition(".")[0]
        version = version_of(top)
        self.say("from", module, name, version or "")
        if version is None or top in ASKING_MODULES:
            self.unsafe(top)
        elif name and top not in ("builtins", "datahub") and is_asking(name):
            self.unsafe(name)
        if top == "builtins" and name in ASKING_BUILTINS:
            self.unsafe(name)

    def _function(self, value: types.FunctionType) -> None:
        text = self._texts.function(value.__code__)
        if text is None:
            self._elsewhere(value.__module__ or "?", value.__qualname__)
        else:
            self.say("function", text)
            self._changes(value)
            for node in self._texts.nodes(value.__code__):
                for reason in sorted(
                    external_names(node, value, self._is_ours, self._sources.module_of)
                ):
                    self.unsafe(reason)
            self._globals(value)
        for name, cell in zip(value.__code__.co_freevars, value.__closure__ or (), strict=True):
            self.say("cell", name)
            self.values(_content(cell))
        self.value(value.__defaults__)
        self.value(value.__kwdefaults__)
        self.value({k: v for k, v in vars(value).items() if k != "__wrapped__"})

    def _changes(self, function: types.FunctionType, *lasting: str) -> None:
        """State that outlives a call and is changed in it makes votes that do not come again."""
        for node in self._texts.nodes(function.__code__):
            for name in sorted(changed_names(node, function, lasting)):
                self.unsafe(f"changes {name}")

    def _globals(self, function: types.FunctionType) -> None:
        code_names = names(function.__code__)
        for name in sorted(code_names.imports):
            module = self._sources.module_of(name)
            if module is not None:
                self.say("import", name)
                self._follow(module, code_names.attributes)
            elif name.startswith("."):
                self.unsafe(name)
            else:
                self._elsewhere(name, "")
        for name in sorted(code_names.globals - _DUNDERS):
            self.say("global", name)
            if name in function.__globals__ and name != "__file__":
                self._follow(function.__globals__[name], code_names.attributes)
            else:
                self._elsewhere("builtins", name)

    def _follow(self, value: object, attributes: set[str]) -> None:
        """Of a module of the folder, only those parts that the function may ask it for."""
        if not (isinstance(value, types.ModuleType) and self._is_ours(value)):
            self.value(value)
        elif id(value) not in self._met:
            self._met[id(value)] = len(self._held)
            self._held.append(value)
            for name in sorted(attributes & vars(value).keys()):
                self.say("attribute", name)
                self._follow(vars(value)[name], attributes)
            del self._met[id(value)]

    def _class(self, value: type) -> None:
        if not self._is_ours(value):
            self._elsewhere(value.__module__, value.__qualname__)
            return
        text = self._texts.class_(value)
        self.say("class", value.__qualname__, text or "")
        if text is None:
            self.unsafe("a class made by a call")
        self.values(base for base in value.__bases__ if base is not object)
        for name, member in vars(value).items():
            if isinstance(member, types.FunctionType):
                if self._sources.holds(member.__code__.co_filename):  # not made by @dataclass
                    self._function(member)
            elif not (name.startswith("_") and name.endswith("_")) and type(member) not in _SLOTS:
                self.say(name)
                self.value(member)

    def _instance(self, value: object) -> None:
        kind = type(value)
        is_ours = any(self._is_ours(base) for base in kind.__mro__)
        if kind.__module__.partition(".")[0] in _STATEFUL:
            self._estimator(value)
        elif is_ours or kind.__module__.startswith("snorkel."):
            self.say("instance")
            self._instance_changes(kind)
            self.value(kind)
            self._state(value)
        else:
            self.unsafe(f"{kind.__module__}.{kind.__qualname__}")

    def _instance_changes(self, kind: type) -> None:
        for base in filter(self._is_ours, kind.__mro__):
            for name, member in vars(base).items():
                own = isinstance(member, types.FunctionType) and name not in _MAKING
                if own and self._sources.holds(member.__code__.co_filename):
                    self._changes(member, *member.__code__.co_varnames[:1])

    def _estimator(self, value: Any) -> None:
        """An object of scikit-learn or SciPy: all that it would be copied by."""
        self._class(type(value))
        if hasattr(value, "__dict__"):
            self._state(value)
            return
        try:  # compiled
            self.values(value.__reduce_ex__(2)[1:])
        except TypeError:
            self.unsafe(f"{type(value).__module__}.{type(value).__qualname__}")

    def _state(self, value: object) -> None:
        slots = [name for kind in type(value).__mro__ for name in getattr(kind, "__slots__", ())]
        state = {name: getattr(value, name) for name in slots if hasattr(value, name)}
        state |= {k: v for k, v in getattr(value, "__dict__", {}).items() if k not in _OWN_STATE}
        self.value(dict(sorted(state.items())))

    def _is_ours(self, value: Any) -> bool:
        name = value.__name__ if isinstance(value, types.ModuleType) else value.__module__
        return self._sources.file_of(name) is not None


_REFERENCES = (type, types.FunctionType, types.ModuleType)
_READERS: list[tuple[Any, Callable[[_Reading, Any], None]]] = [
    (DeclarativeLF, _Reading.declarative),
    (BatchLF, _Reading.batch),
    (OnnxPredictor, _Reading._onnx),
    (enum.Enum, _Reading._enum),
    ((list, tuple, collections.deque), _Reading._sequence),
    ((set, frozenset), _Reading._set),
    ((dict, types.MappingProxyType), _Reading._mapping),
    (re.Pattern, _Reading._pattern),
    ((np.ndarray, np.generic), _Reading._array),
    (np.ufunc, _Reading._ufunc),
    (types.FunctionType, _Reading._function),
    (type, _Reading._class),
    (types.ModuleType, _Reading._module),
    (functools.partial, _Reading._partial),
    ((operator.itemgetter, operator.attrgetter, operator.methodcaller), _Reading._reduce),
    ((types.MethodType, staticmethod, classmethod, property), _Reading._unwrap),
    ((functools._lru_cache_wrapper, functools.cached_property), _Reading._unwrap),
    ((types.BuiltinFunctionType, types.MethodWrapperType), _Reading._builtin),
    ((types.MethodDescriptorType, types.WrapperDescriptorType), _Reading._descriptor),
    (logging.Logger, lambda reading, _: reading.say("logger")),
]


def _content(cell: types.CellType) -> Iterator[object]:
    try:
        yield cell.cell_contents
    except ValueError:  # not filled yet
        return
