"""The house rules on sizes and names: what is long hides a second thing, a name is a noun."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

HERE = Path(__file__).parents[2] / "datahub"
MOST_LINES, MOST_BODY, MOST_SHARE = 400, 40, 0.02


def words(text: str) -> frozenset[str]:
    """The words of a list."""
    return frozenset(text.split())


# Beside the words that end in -ed and -ing.
PARTICIPLES = words(
    """
    beaten began begun bent bitten bound bought broken brought built came cast caught chosen cut
    dealt did done drawn driven eaten fallen felt forgotten fought found frozen given gone gotten
    grown heard held hidden hit hung hurt kept known laid led left lent lost made meant met
    overridden overwritten paid put ran rewritten said sang saw seen sent shaken shown shut sold
    sought spent split spoken stood stuck sung swept taken taught thought thrown told torn undone
    unmade unread unsaid unseen unsent unshown untold withdrawn won worn wound woven written
    """
)
PRONOUNS = words(
    """
    any anybody anyone anything both each either everybody everyone everything few he her him his it
    its many mine neither nobody none nothing one ones other others our same she some somebody
    someone something such that their them these they this those what whatever which who whoever
    whom whose
    """
)
NOUNS = words(  # in -ed and -ing; missing is an adjective
    """
    beginning binding ceiling embedding encoding feed indeed landing listing mapping missing need
    numbering pending reading red seed setting speed spelling staging string thing training warning
    wiring writing
    """
)
PHRASES = frozenset({"key_made", "left_out", "not_asked", "set_aside"})
BOOLEANS = words("are by has in is keeps may on reads was were with")
OF_GIT = frozenset({"ours", "theirs"})  # git's names for the sides of a merge


@cache
def trees() -> dict[str, ast.Module]:
    """Each file of datahub, parsed once."""
    files = sorted(HERE.rglob("*.py"))
    assert len(files) > 300
    return {str(path.relative_to(HERE)): ast.parse(path.read_text("utf-8")) for path in files}


def is_no_noun(name: str) -> bool:
    """Whether a name is a participle or a pronoun; the last word of several counts.

    >>> [name for name in ("found", "rows_kept", "is_kept", "seed", "it") if is_no_noun(name)]
    ['found', 'rows_kept', 'it']
    """
    parts = name.lower().strip("_").split("_")
    if "_".join(parts) in PHRASES:
        return True
    word = parts[-1]
    if parts[0] in BOOLEANS or word in NOUNS or word in OF_GIT:
        return False
    return word in PARTICIPLES | PRONOUNS or word.endswith(("ed", "ing"))


def bound_names(tree: ast.AST, keys: frozenset[str] = frozenset()) -> Iterator[tuple[str, int]]:
    """Names that code binds, with their lines: targets, parameters, fields, caught errors.

    A field that is a key of the public JSON (`keys`) has its name from there, and is left out.
    """
    public = {
        id(line.target)
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef)
        for line in node.body
        if isinstance(line, ast.AnnAssign) and ast.unparse(line.target) in keys
    }
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Name)
            and isinstance(node.ctx, ast.Store)
            and id(node) not in public
        ):
            yield node.id, node.lineno
        elif isinstance(node, ast.arg) and node.arg not in ("self", "cls"):
            yield node.arg, node.lineno
        elif isinstance(node, ast.ExceptHandler) and node.name:
            yield node.name, node.lineno


def public_keys() -> frozenset[str]:
    """Keys of the declared results, which docs/json.md promises."""
    return frozenset(
        line.target.id
        for path, tree in trees().items()
        if path.startswith("hub/results/")
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef)
        for line in node.body
        if isinstance(line, ast.AnnAssign) and isinstance(line.target, ast.Name)
    )


def body_lines(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    r"""Lines from the first statement to the last; a docstring is none.

    >>> body_lines(ast.parse("def f():\n    'Says.'\n    return 1").body[0])
    1
    """
    first = function.body[0]
    has_doc = isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant)
    body = function.body[has_doc:]
    return 1 + (function.end_lineno or 0) - body[0].lineno if body else 0


def long_functions(files: dict[str, ast.Module]) -> list[str]:
    """Functions that are longer than the house allows."""
    return [
        f"{path}:{node.lineno}: {node.name} has {body_lines(node)} lines"
        for path, tree in files.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        if body_lines(node) > MOST_BODY
    ]


def test_no_function_hides_a_second_thing() -> None:
    assert long_functions(trees()) == []


@pytest.mark.parametrize(("lines", "names"), [(MOST_BODY, 0), (MOST_BODY + 1, 1)])
def test_a_long_function_is_named(lines: int, names: int) -> None:
    text = 'def f(\n    a,\n    b,\n):\n    """Says\n\n    more."""\n' + "    a = b\n" * lines

    assert len(long_functions({"a.py": ast.parse(text)})) == names


def test_no_file_hides_a_second_thing() -> None:
    counts = {path: (HERE / path).read_text("utf-8").count("\n") for path in trees()}

    assert {path: count for path, count in counts.items() if count > MOST_LINES} == {}


def test_names_are_nouns() -> None:
    keys, names = public_keys(), list[str]()
    bad: dict[str, str] = {}
    for path, tree in trees().items():
        for name, line in bound_names(tree, keys):
            names.append(name)
            if is_no_noun(name):
                bad[f"{path}:{line}:{len(names)}"] = name

    share = len(bad) / len(names)
    assert share < MOST_SHARE, f"{share:.2%} of {len(names)} names: {bad}"


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("found = 1", {"found"}),
        ("for it in rows: pass", {"it"}),
        ("with a as opened: pass", {"opened"}),
        ("def f(*, asked, seed): pass", {"asked"}),
        ("try: pass\nexcept E as raised: pass", {"raised"}),
        ("[kept for kept in rows]", {"kept"}),
        ("if (told := f()): pass", {"told"}),
        ("class A:\n    left_out: int\n    covered: int", {"left_out"}),
        ("missing, is_kept, dataset, unknown, embedding = a", set()),
    ],
)
def test_a_participle_or_pronoun_is_named(text: str, names: set[str]) -> None:
    bound = [name for name, _ in bound_names(ast.parse(text), frozenset({"covered"}))]

    assert {name for name in bound if is_no_noun(name)} == names
