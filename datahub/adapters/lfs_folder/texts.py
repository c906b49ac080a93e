"""The source texts of a folder's functions and classes, and the names they use."""

from __future__ import annotations

import ast
import dis
import importlib.util
import textwrap
import types
from dataclasses import dataclass, field
from pathlib import Path

from datahub.adapters.lfs_folder.loading import Sources
from datahub.core.syntax import parse_module


class Texts:
    """The source text of functions and classes of the folder."""

    def __init__(self, sources: Sources) -> None:
        self._sources = sources
        self._files = {str(file.path): (file.text, file.tree) for file in sources.files}

    def function(self, code: types.CodeType) -> str | None:
        """The text from the first decorator on, dedented; None when it is not the folder's."""
        if not self._sources.holds(code.co_filename):
            return None
        text, _ = self._file(code.co_filename)
        return "\n".join(_segment(text, node) for node in self.nodes(code))

    def nodes(self, code: types.CodeType) -> list[ast.Lambda | ast.FunctionDef]:
        """Where the function stands in the tree of its file; several where that is not certain."""
        _, tree = self._file(code.co_filename)
        candidates = [
            node
            for node in ast.walk(tree)
            if isinstance(node, ast.Lambda | ast.FunctionDef)
            and getattr(node, "name", "<lambda>") == code.co_name
            and _first_line(node) == code.co_firstlineno
        ]
        exact = [node for node in candidates if isinstance(node, ast.Lambda) and _is_at(node, code)]
        return list(exact or candidates)

    def class_(self, kind: type) -> str | None:
        """The text of a class statement; None when there is none of that name."""
        file = self._sources.file_of(kind.__module__)
        if file is None:
            return None
        text, tree = self._file(file)
        name = kind.__qualname__.rpartition(".")[2]
        statements = [n for n in ast.walk(tree) if isinstance(n, ast.ClassDef) and n.name == name]
        return "\n".join(_segment(text, node) for node in statements) or None

    def _file(self, name: str) -> tuple[str, ast.Module]:
        if name not in self._files:  # in a subfolder: not loaded by us
            text = importlib.util.decode_source(Path(name).read_bytes())
            self._files[name] = (text, parse_module(text))
        return self._files[name]


def _first_line(node: ast.Lambda | ast.FunctionDef | ast.ClassDef) -> int:
    decorators = [] if isinstance(node, ast.Lambda) else node.decorator_list
    return min([node.lineno, *(decorator.lineno for decorator in decorators)])


def _segment(text: str, node: ast.Lambda | ast.FunctionDef | ast.ClassDef) -> str:
    if isinstance(node, ast.Lambda):
        return ast.get_source_segment(text, node) or ""
    return textwrap.dedent("\n".join(text.split("\n")[_first_line(node) - 1 : node.end_lineno]))


def _is_at(node: ast.Lambda, code: types.CodeType) -> bool:
    body = node.body
    return any(
        (line, column) == (body.lineno, body.col_offset)
        for line, _, column, _ in code.co_positions()
    )


@dataclass(frozen=True)
class Names:
    """What a function, and the functions inside it, ask for by name; dots before a relative one."""

    globals: set[str] = field(default_factory=set)
    attributes: set[str] = field(default_factory=set)
    imports: set[str] = field(default_factory=set)


def names(code: types.CodeType) -> Names:
    """The globals and attributes that code reads, and the modules it imports when called."""
    result = Names()
    kinds = {
        "LOAD_GLOBAL": result.globals,
        "LOAD_NAME": result.globals,
        "LOAD_ATTR": result.attributes,
        "LOAD_METHOD": result.attributes,
        "IMPORT_FROM": result.attributes,
    }
    before: list[object] = [0, ()]  # of an import: its level, and what it takes from the module
    for instruction in dis.get_instructions(code):
        if instruction.opname in kinds:
            kinds[instruction.opname].add(str(instruction.argval))
        elif instruction.opname == "IMPORT_NAME":
            level = before[-2] if isinstance(before[-2], int) else 0
            result.imports.add("." * level + str(instruction.argval))
        before.append(instruction.argval)
    for inner in code.co_consts:
        if isinstance(inner, types.CodeType):
            inner_names = names(inner)
            result.globals.update(inner_names.globals)
            result.attributes.update(inner_names.attributes)
            result.imports.update(inner_names.imports)
    return result
