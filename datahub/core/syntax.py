"""Python's syntax tree, for one thread at a time. Nothing is run.

CPython counts the depth of the tree that it builds for all threads together: where two build one at
once, `ast.parse` can raise "SystemError: AST constructor recursion depth mismatch" for good code.
"""

from __future__ import annotations

import ast
import threading

_ONE_AT_A_TIME = threading.Lock()


def parse_module(text: str | bytes, *, filename: str = "<unknown>") -> ast.Module:
    """The statements of a file. Raises SyntaxError, ValueError, RecursionError, MemoryError."""
    with _ONE_AT_A_TIME:
        return ast.parse(text, filename=filename)


def parse_expression(text: str) -> ast.Expression:
    """One expression. Raises as `parse_module` does."""
    with _ONE_AT_A_TIME:
        return ast.parse(text, mode="eval")
