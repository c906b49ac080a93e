"""What a function changes beyond the row it is given: state that its votes may depend on.

An LF that counts, collects or remembers in a global, a closure, a default, a resource or its own
instance may vote differently on the same row, so its votes cannot be used again. Read off the
source, without running it: what is hidden behind other names is not found.
"""

from __future__ import annotations

import ast
import types
from collections.abc import Collection, Iterator

_CHANGING = {
    *("add", "append", "appendleft", "clear", "discard", "extend", "insert", "pop", "popitem"),
    *("popleft", "remove", "reverse", "setdefault", "sort", "update"),
}
_MUTABLE = (list, dict, set, bytearray)

FunctionNode = ast.Lambda | ast.FunctionDef


def changed_names(
    node: FunctionNode, function: types.FunctionType, lasting: Collection[str] = ()
) -> set[str]:
    """Names of what is not the function's own and is changed in it.

    `lasting` are parameters that hold the same thing at every call, as `self` of an instance does;
    those with a mutable default do so too.
    """
    own = _own(function.__code__) - set(lasting) - _mutable_defaults(function)
    names: set[str] = set()
    for inner in ast.walk(node):
        if isinstance(inner, ast.Global | ast.Nonlocal):
            names |= {name for name in inner.names if name in _assigned_names(node)}
        elif isinstance(inner, ast.Subscript | ast.Attribute):
            if isinstance(inner.ctx, ast.Store | ast.Del):
                names |= set(_root(inner))
        elif isinstance(inner, ast.Call) and isinstance(inner.func, ast.Attribute):
            module = isinstance(inner.func.value, ast.Name) and isinstance(
                function.__globals__.get(inner.func.value.id), types.ModuleType
            )  # operator.add is no change
            if inner.func.attr in _CHANGING and not module:
                names |= set(_root(inner.func))
    return names - own


def _own(code: types.CodeType) -> set[str]:
    names = {*code.co_varnames, *code.co_cellvars}
    for inner in code.co_consts:
        if isinstance(inner, types.CodeType):
            names |= _own(inner)
    return names


def _mutable_defaults(function: types.FunctionType) -> set[str]:
    code = function.__code__
    parameters = code.co_varnames[: code.co_argcount]
    defaults = function.__defaults__ or ()
    values = dict(zip(parameters[len(parameters) - len(defaults) :], defaults, strict=True))
    values |= function.__kwdefaults__ or {}
    return {name for name, value in values.items() if isinstance(value, _MUTABLE)}


def _assigned_names(node: ast.AST) -> set[str]:
    return {
        inner.id
        for inner in ast.walk(node)
        if isinstance(inner, ast.Name) and isinstance(inner.ctx, ast.Store | ast.Del)
    }


def _root(node: ast.expr) -> Iterator[str]:
    while isinstance(node, ast.Subscript | ast.Attribute):
        node = node.value
    if isinstance(node, ast.Name):
        yield node.id
