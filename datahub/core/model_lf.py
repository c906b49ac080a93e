"""A model as a labeling function: any classifier with probabilities, and a threshold.

The classifier is asked once for many rows. It votes the class whose probability is the
highest, if it reaches the threshold, and abstains elsewhere. Where it raises on a batch, the
batch is halved until the rows that it cannot take are found: their faults, nobody else's.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import PurePath
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import polars as pl

from datahub.core.batch import (
    LABELS,
    BatchLF,
    BatchVotes,
    Items,
    Label,
    RowFault,
    check_labels,
    no_votes,
    number,
    number_labels,
    parse_columns,
)
from datahub.core.errors import DatahubError, LabelingFunctionError, told
from datahub.core.labels import ABSTAIN

_SUM_SLACK = 1e-2  # of float32 probabilities that went through a softmax

Probabilities = npt.NDArray[np.float64]


@dataclass(frozen=True)
class ModelLF(BatchLF):
    """Made by `model`. `predictor` is a classifier, or the path of an ONNX file not loaded yet.

    `table`: the classifier takes a table of columns, not a list of one column's values.
    `label_items` maps its classes to the dataset's; None where they are the same numbers, or names.
    """

    kind: ClassVar[str] = "model"

    name: str
    predictor: Any = field(compare=False)
    threshold: float
    column_names: tuple[str, ...]
    table: bool
    label_items: Items | None
    classes: tuple[str, ...] = ()  # of the dataset, where a model tells its own only once asked

    def __post_init__(self) -> None:
        classes = getattr(self.predictor, "classes_", None)
        if classes is not None:
            self._targets(list(classes))

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the columns that it reads."""
        return self.column_names

    def for_classes(self, classes: Sequence[str]) -> ModelLF:
        """The same for a dataset with these classes. Raises LabelingFunctionError."""
        items = self.label_items
        if items is None:
            own = getattr(self.predictor, "classes_", None)
            if own is None:
                return replace(self, classes=tuple(classes))
            items = tuple((name, name) for name in _plain(own) if isinstance(name, str))
        if not any(isinstance(label, str) for _, label in items):
            return self
        return replace(self, label_items=number_labels(self.name, items, classes))

    @property
    def class_names(self) -> tuple[str, ...] | None:
        """Those that it votes by; None: an ONNX file tells its own once it has run."""
        if self.label_items is not None:
            return tuple(label for _, label in self.label_items if isinstance(label, str))
        own = getattr(self.predictor, "classes_", None)
        return None if own is None else tuple(c for c in _plain(own) if isinstance(c, str))

    def spec(self) -> dict[str, object]:
        """Everything but the classifier itself, which the fingerprint reads apart."""
        items = None if self.label_items is None else [[repr(a), b] for a, b in self.label_items]
        return {
            "kind": self.kind,
            "threshold": self.threshold,
            "columns": list(self.column_names),
            "table": self.table,
            "labels": items,
        }

    def judge(self, frame: pl.DataFrame) -> BatchVotes:
        """Vote on all rows; those with a null in a column it reads get no vote."""
        if isinstance(self.predictor, PurePath):
            raise LabelingFunctionError(
                f"LF {self.name!r} names the file {str(self.predictor)!r}, and nothing loaded it.",
                hint="Take the LF from `Hub.open().labeling_functions()`, which loads it.",
                lf=self.name,
            )
        votes, faults = no_votes(frame.height), list[RowFault]()
        rows = self.present(frame)
        inputs = frame.select(self.column_names)[rows]
        for start, output in self._predict(inputs):
            if isinstance(output, BaseException):
                faults.append(RowFault(int(rows[start]), told(output), _innermost(output)))
                continue
            places = rows[start : start + len(output)]
            votes[places] = self._votes(output)
            invalid = np.flatnonzero(~_usable(output))
            where = type(self.predictor).__name__
            faults += [
                RowFault(int(places[i]), "the probabilities are NaN", where) for i in invalid
            ]
        return BatchVotes(votes, tuple(faults))

    def _predict(
        self, frame: pl.DataFrame, start: int = 0
    ) -> Iterator[tuple[int, Probabilities | BaseException]]:
        """Probabilities by dataset class of one run of rows after another, or why a row has none.

        The last column is that of ABSTAIN.
        """
        if not frame.height:
            return
        try:
            output, classes = self._call_predictor(frame)
        except DatahubError:
            raise
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # noqa: BLE001  whatever the user's model raised
            if frame.height == 1:
                yield start, error
                return
            half = frame.height // 2
            yield from self._predict(frame[:half], start)
            yield from self._predict(frame[half:], start + half)
            return
        yield start, self._by_label(self._check_output(output, frame.height), classes)

    def _call_predictor(self, frame: pl.DataFrame) -> tuple[object, list[Any] | None]:
        output = self.predictor.predict_proba(self._input(frame))
        classes = getattr(self.predictor, "classes_", None)  # an ONNX file may know them only now
        return output, None if classes is None else list(classes)

    def _input(self, frame: pl.DataFrame) -> object:
        if not self.table:
            return frame.to_series().to_list()
        if hasattr(self.predictor, "feature_names_in_"):
            return frame
        return frame.to_numpy()

    def _check_output(self, output: object, rows: int) -> Probabilities:
        try:
            matrix = np.asarray(output, dtype=np.float64)
        except (TypeError, ValueError):
            matrix = np.empty((0,))
        if matrix.ndim != 2 or len(matrix) != rows:
            shape = getattr(output, "shape", type(output).__name__)
            raise self._error(
                f"gave {shape} for {rows} rows.",
                "predict_proba gives one line a row and one column a class.",
            )
        finite = matrix[_usable(matrix)]
        sums = finite.sum(axis=1)
        if (finite < -_SUM_SLACK).any() or (np.abs(sums - 1) > _SUM_SLACK).any():
            raise self._error(
                "gave what are no probabilities: they do not sum to 1 in every row.",
                "Scores become probabilities by a softmax, or by CalibratedClassifierCV.",
            )
        return matrix

    def _by_label(self, probabilities: Probabilities, classes: list[Any] | None) -> Probabilities:
        """The probabilities of the model's classes, added up for each class of the dataset."""
        if classes is not None and len(classes) != probabilities.shape[1]:
            raise self._error(
                f"has {len(classes)} classes and gave {probabilities.shape[1]} columns.",
                "predict_proba gives one column for each of classes_.",
            )
        labels = self._targets(list(range(probabilities.shape[1])) if classes is None else classes)
        if self.classes:
            items = number_labels(self.name, [(y, y) for y in labels], self.classes)
            labels = [y for _, y in items]
        targets = [number(self.name, label) for label in labels]
        out = np.zeros((len(probabilities), max(*targets, 0) + 2))
        for column, label in enumerate(targets):
            out[:, label] += probabilities[:, column]  # ABSTAIN (-1) is the last
        return out

    def _votes(self, probabilities: Probabilities) -> npt.NDArray[np.int8]:
        usable = _usable(probabilities)
        finite = np.where(usable[:, None], probabilities, 0.0)
        top = finite.argmax(axis=1)
        best = finite[np.arange(len(finite)), top]
        sure = usable & (best >= self.threshold) & ((finite == best[:, None]).sum(axis=1) == 1)
        return np.where(sure & (top != finite.shape[1] - 1), top, ABSTAIN).astype(np.int8)

    def _targets(self, classes: Sequence[Any]) -> list[Label]:
        """The dataset's class for each of the model's. Raises LabelingFunctionError."""
        if self.label_items is None:
            whole = all(
                isinstance(c, int | np.integer) and not isinstance(c, bool | np.bool_)
                for c in classes
            )
            if whole and all(0 <= c < LABELS for c in classes):
                return [int(c) for c in classes]
            if all(isinstance(c, str) for c in classes):
                return [str(c) for c in classes]  # until `for_classes`
            raise self._error(
                f"has the classes {_list_classes(classes)}.",
                'Say what they mean here: labels={"junk": "spam", "fine": "ham"}.',
            )
        table = dict(self.label_items)
        plain = _plain(classes)
        unknown = [c for c in plain if c not in table]
        strange = [c for c in table if c not in plain]
        if unknown or strange:
            problem = (
                f"{unknown[0]!r} is not" if unknown else f"{strange[0]!r} is none of them, but"
            )
            raise self._error(
                f"has the classes {_list_classes(plain)}; {problem} in labels.",
                "`labels` says for each of the model's classes what it means here; ABSTAIN for "
                "none.",
            )
        return [table[c] for c in plain]

    def _error(self, problem: str, hint: str) -> LabelingFunctionError:
        return LabelingFunctionError(
            f"The model of LF {self.name!r} {problem}", hint=hint, lf=self.name
        )


def model(
    name: str,
    predictor: Any,
    *,
    threshold: float = 0.8,
    column: str | None = None,
    columns: Sequence[str] | None = None,
    labels: Mapping[Any, Label] | Sequence[Label] | None = None,
) -> ModelLF:
    """Vote the class that a classifier gives at least the probability `threshold`.

    `predictor` has scikit-learn's `predict_proba` (and `classes_`), or is the path of an ONNX
    file, seen from the project's folder. With `column` (default: text) it is given a list of
    values; with `columns` a table: a polars frame if it was fitted with names, else an array.
    `labels` maps its classes to the dataset's, by name or number (a list stands for {0: ...,
    1: ...}); several may mean one, and one may mean ABSTAIN. Without it, they are the
    dataset's own.

    >>> from types import SimpleNamespace
    >>> class Length:
    ...     classes_ = ["short", "long"]
    ...     def predict_proba(self, texts):
    ...         return [[0.9, 0.1] if len(t) < 9 else [0.4, 0.6] for t in texts]
    >>> lf = model("length", Length(), labels={"short": 1, "long": 0})
    >>> [lf(SimpleNamespace(text=text)) for text in ("hello", "a longer text", None)]
    [1, -1, -1]
    """
    if not isinstance(threshold, int | float) or not 0 < threshold <= 1:
        raise LabelingFunctionError(
            f"LF {name!r} has the threshold {threshold!r}.",
            hint="It is a probability above 0, up to 1.",
            lf=name,
        )
    names = parse_columns(name, column or ("text" if columns is None else None), columns)
    return ModelLF(
        name,
        _check_predictor(name, predictor),
        float(threshold),
        names,
        columns is not None,
        _label_items(name, labels),
    )


def _check_predictor(name: str, predictor: Any) -> Any:
    if isinstance(predictor, str | PurePath):
        path = PurePath(predictor)
        if path.suffix.lower() == ".onnx":
            return path
        description = (
            f"the file {str(path)!r}; only .onnx is loaded, since a pickle can run anything"
        )
    elif isinstance(predictor, type):
        description = f"the class {predictor.__name__} itself"
    elif callable(getattr(predictor, "predict_proba", None)):
        return predictor
    else:
        description = f"a {type(predictor).__name__} without predict_proba"
    raise LabelingFunctionError(
        f"LF {name!r} has this as its model: {description}.",
        hint="Fit or load the model in the LF's file and hand it over, or name an ONNX file.",
        lf=name,
    )


def _label_items(name: str, labels: Mapping[Any, Label] | Sequence[Label] | None) -> Items | None:
    if labels is None:
        return None
    table: dict[Any, Label] = dict(labels if isinstance(labels, Mapping) else enumerate(labels))
    if not table:
        raise LabelingFunctionError(
            f"LF {name!r} has labels without an entry.", hint='labels={"spam": 1}', lf=name
        )
    return tuple(check_labels(name, table).items())


def _plain(classes: Iterable[Any]) -> list[Any]:
    """A model's classes, no numpy among them."""
    return [c.item() if isinstance(c, np.generic) else c for c in classes]


def _usable(probabilities: Probabilities) -> npt.NDArray[np.bool_]:
    """Which rows are numbers."""
    finite: npt.NDArray[np.bool_] = np.all(np.isfinite(probabilities), axis=1)
    return finite


def _innermost(error: BaseException) -> str:
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return "" if trace is None else f"{trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}"


def _list_classes(classes: Sequence[Any]) -> str:
    text = ", ".join(repr(c.item() if isinstance(c, np.generic) else c) for c in classes[:8])
    return text + (f" and {len(classes) - 8} more" if len(classes) > 8 else "")
