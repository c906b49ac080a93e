"""What a function asks beyond the row it is given and the values it reaches.

The clock, a file, or chance, behind a library's name (`datetime.now`, `pandas.read_csv`,
`numpy.random.rand`): the answer may be another one tomorrow. And a module of the folder in one
piece (`getattr(words, name)`, `vars(words)`), of which only the parts that are named would be
read. Read off the source, without running it.
"""

from __future__ import annotations

import ast
import types
from collections.abc import Callable, Iterator

_CLOCK = {"now", "today", "utcnow"}
_FILE = {"fromfile", "genfromtxt", "load", "loadtxt", "memmap", "open", "urlopen"}
_FILE_READERS = ("read_", "scan_")
_CHANCE = {"rand", "randint", "randn", "random", "randperm"}

FunctionNode = ast.Lambda | ast.FunctionDef


def is_asking(name: str) -> bool:
    """Whether a library's function of that dotted name answers by more than its arguments.

    >>> [is_asking(name) for name in ("datetime.now", "read_csv", "numpy.random.rand", "isfinite")]
    [True, True, True, False]
    """
    parts = name.split(".")
    last = parts[-1]
    return last in _CLOCK | _FILE | _CHANCE or last.startswith(_FILE_READERS) or "random" in parts


def external_names(
    node: FunctionNode,
    function: types.FunctionType,
    is_ours: Callable[[object], bool],
    imported_by: Callable[[str], object],
) -> set[str]:
    """Dotted names that the function asks libraries by, and modules it takes in one piece.

    `is_ours` says whether a module is of the folder; `imported_by` gives the folder's module of
    a name, or None.
    """
    values, names = _names_in_reach(function), set[str]()
    bindings = dict(pair for part in ast.walk(node) for pair in _bound_by_import(part))
    siblings = {name: imported_by(module) for name, module in bindings.items() if module}
    values |= {name: module for name, module in siblings.items() if module is not None}
    library_names = {name for name in bindings if siblings.get(name) is None}
    for chain in _chains(node):
        root, *attributes = chain
        if root in library_names or _is_library(values.get(root), is_ours):
            names |= {".".join(chain)} if attributes and is_asking(".".join(chain)) else set()
        elif isinstance(values.get(root), types.ModuleType):
            names |= _in_one_piece(values[root], attributes, root, is_ours)
    return names


def _names_in_reach(function: types.FunctionType) -> dict[str, object]:
    """Names the function reads that are not its own, and what they mean now."""
    cells = dict(zip(function.__code__.co_freevars, function.__closure__ or (), strict=True))
    values = {name: cell.cell_contents for name, cell in cells.items() if _is_filled(cell)}
    own = set(function.__code__.co_varnames)
    return {k: v for k, v in {**function.__globals__, **values}.items() if k not in own}


def _is_filled(cell: types.CellType) -> bool:
    try:
        return cell.cell_contents is not cell
    except ValueError:
        return False


def _is_library(value: object, is_ours: Callable[[object], bool]) -> bool:
    return isinstance(value, types.ModuleType | type) and not is_ours(value)


def _in_one_piece(
    value: object, attributes: list[str], root: str, is_ours: Callable[[object], bool]
) -> set[str]:
    """The module's name, if what is asked of it is not a part of it by name."""
    for at, name in enumerate(attributes):
        if name.startswith("__"):
            break
        value = vars(value).get(name)
        if not isinstance(value, types.ModuleType):
            return set()
        if not is_ours(value):
            rest = ".".join([root, *attributes])
            return {rest} if attributes[at + 1 :] and is_asking(rest) else set()
    return {f"all of {root}"}


def _bound_by_import(node: ast.AST) -> Iterator[tuple[str, str]]:
    """Names that an import binds; each with the module that it then is, or empty."""
    if isinstance(node, ast.Import | ast.ImportFrom):
        whole = isinstance(node, ast.Import)
        for alias in node.names:
            name = (alias.asname or alias.name).partition(".")[0]
            yield name, (alias.name if alias.asname else name) if whole else ""


def _chains(node: ast.AST) -> Iterator[list[str]]:
    """`a.b.c` as its names, the longest that stand there."""
    if isinstance(node, ast.Attribute | ast.Name):
        names = []
        at: ast.expr = node
        while isinstance(at, ast.Attribute):
            names.append(at.attr)
            at = at.value
        if isinstance(at, ast.Name):
            yield [at.id, *reversed(names)]
        else:
            yield from _chains(at)
        return
    for child in ast.iter_child_nodes(node):
        yield from _chains(child)
