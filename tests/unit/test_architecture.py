"""Each rule of the house is seen to fail on a deliberate breach, in a copy of the code."""

from __future__ import annotations

import ast
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TypeGuard

import pytest

from datahub.hub.backends import Backends
from datahub.hub.hub import Hub
from datahub.hub.wiring import Wiring

HERE = Path(__file__).parents[2]
CONTRACTS = {
    one["id"]: one["name"]
    for one in tomllib.loads((HERE / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"][
        "contracts"
    ]
}
BREACHES = {
    "core imports flow": ("layers", "datahub/core/labels.py", "import datahub.flow"),
    "ports import hub": ("layers", "datahub/ports/__init__.py", "import datahub.hub"),
    "flow imports config": ("layers", "datahub/flow/__init__.py", "import datahub.config"),
    "a module in no layer": ("layers", "datahub/utils.py", ""),
    "an adapter imports another": (
        "adapters-apart",
        "datahub/adapters/one.py",
        "import datahub.adapters.lfs_folder",
    ),
    "cli imports an adapter": (
        "adapters-protected",
        "datahub/cli/__init__.py",
        "import datahub.adapters.lfs_folder",
    ),
    "errors import the values that they hold": (
        "core-in-order",
        "datahub/core/error_kinds.py",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import datahub.core.verdict",
    ),
    "core imports os": ("pure", "datahub/core/labels.py", "import os"),
    "ports import a clock": ("pure", "datahub/ports/__init__.py", "import time"),
    "flow imports sqlalchemy": ("pure", "datahub/flow/__init__.py", "import sqlalchemy"),
    "flow imports pyarrow in a function": (
        "pure",
        "datahub/flow/__init__.py",
        "def f():\n    from pyarrow import parquet",
    ),
    "flow imports machine": ("machine-below", "datahub/flow/__init__.py", "import datahub.machine"),
    "a room imports a higher one": (
        "rooms",
        "datahub/flow/dataset/tables.py",
        "import datahub.flow.label.fit",
    ),
    "a use case in no room": ("rooms", "datahub/flow/utils.py", ""),
    "machine imports polars": ("machine-plain", "datahub/machine/__init__.py", "import polars"),
    "cli imports the other door": ("layers", "datahub/cli/branch.py", "import datahub.web.serving"),
    "web imports the other door": ("layers", "datahub/web/resource.py", "import datahub.cli"),
    "an LF imports core": ("user-land", "labeling_functions/mine.py", "import datahub.core.labels"),
    "an LF imports hub": ("user-land", "labeling_functions/mine.py", "from datahub import hub"),
}


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The code and its rules, where a breach does no harm and is taken back."""
    folder = tmp_path_factory.mktemp("copy")
    ignored = shutil.ignore_patterns("__pycache__")
    for name in ("datahub", "labeling_functions"):
        shutil.copytree(HERE / name, folder / name, ignore=ignored)
    shutil.copy(HERE / "pyproject.toml", folder)
    return folder


def ran(code: str, *arguments: str, at: Path) -> subprocess.CompletedProcess[str]:
    """Run a checker of this environment on the copy, and on nothing else."""
    environment = {**os.environ, "COLUMNS": "200", "NO_COLOR": "1", "PYTHONPATH": str(at)}
    command = [sys.executable, *code.split(maxsplit=1), *arguments]
    return subprocess.run(
        command, cwd=at, env=environment, capture_output=True, text=True, timeout=60
    )


def broken(at: Path) -> set[str]:
    """Ids of the contracts that import-linter finds broken."""
    code = "-c from importlinter.cli import lint_imports_command; lint_imports_command()"
    result = ran(code, "--no-logo", at=at)
    names = set(re.findall(r"^(.+) BROKEN\b", result.stdout, re.MULTILINE))
    kept = set(re.findall(r"^(.+) KEPT\b", result.stdout, re.MULTILINE))
    assert names | kept == set(CONTRACTS.values()), result.stdout + result.stderr
    assert (result.returncode != 0) == bool(names)
    return {one for one, name in CONTRACTS.items() if name in names}


@contextmanager
def breached(at: Path, file: str, text: str) -> Iterator[None]:
    """Text at the end of a file of the copy, which may be a new one, for as long as this lasts."""
    path = at / file
    before = path.read_bytes() if path.exists() else None
    try:
        with path.open("a", encoding="utf-8") as opened:
            opened.write(f"\n{text}\n")
        yield
    finally:
        if before is None:
            path.unlink()
        else:
            path.write_bytes(before)


@cache
def parsed(text: str) -> ast.Module:
    """A file's tree: most files are the same whatever breach is tried."""
    return ast.parse(text)


def test_the_code_as_it_is_keeps_every_contract(copy: Path) -> None:
    assert broken(copy) == set()


@pytest.mark.slow
@pytest.mark.parametrize("breach", BREACHES)
def test_a_breach_breaks_its_contract_and_no_other(copy: Path, breach: str) -> None:
    contract, file, text = BREACHES[breach]

    with breached(copy, file, text):
        found = broken(copy)

    # What reaches hub from below also reaches every room of flow, by way of hub.
    besides = {"rooms"} if breach == "ports import hub" else set()
    assert found == {contract} | besides


def test_every_contract_has_a_breach_that_shows_it() -> None:
    assert {contract for contract, _, _ in BREACHES.values()} == set(CONTRACTS)


@pytest.mark.parametrize(
    ("file", "banned"),
    [
        ("datahub/flow/__init__.py", ["TID251"]),
        ("datahub/adapters/gate.py", ["TID251"]),
        ("datahub/adapters/rows_polars/opening.py", []),
    ],
)
@pytest.mark.parametrize("name", ["scan_parquet", "read_csv"])
def test_only_the_rows_adapter_may_read_tables(
    copy: Path, file: str, name: str, banned: list[str]
) -> None:
    options = ("--no-cache", "--select=TID251", "--output-format=concise")

    with breached(copy, file, f"import polars as pl\n\nframe = pl.{name}('a')"):
        result = ran("-m ruff", "check", *options, file, at=copy)

    assert re.findall("TID251", result.stdout) == banned, result.stdout + result.stderr
    assert result.returncode == len(banned)


# -- doors: the command line touches Hub's public calls, results and values of core


PASSIVE = {"settings", "branch", "dataset", "warnings"}  # of a hub, beside its calls
DOORS = ("cli", "web")
SERVE = "datahub.web.serving.serve"  # the command that opens the other door
VALUES = ("datahub.core", "datahub.hub.results")  # what any door may import, beside itself


def public_calls() -> set[str]:
    """What a door may ask a hub: not the adapters, which are wiring's."""
    homes = [kind for kind in Hub.__mro__ if kind not in (Backends, Wiring, object)]
    return PASSIVE | {name for kind in homes for name in vars(kind) if not name.startswith("_")}


def past_the_hub(at: Path) -> list[str]:
    """Where files of datahub/cli and datahub/web reach past the public calls of Hub."""
    files = [file for door in DOORS for file in sorted((at / "datahub" / door).glob("*.py"))]
    assert {file.parent.name for file in files} == set(DOORS)
    return [
        f"{file.name}:{line}: {what}"
        for file in files
        for line, what in _reaches(parsed(file.read_text(encoding="utf-8")), file.parent.name)
    ]


def _reaches(tree: ast.Module, door: str) -> Iterator[tuple[int, str]]:
    only_types = {id(inner) for node in tree.body for inner in _type_checking(node)}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom | ast.Import):
            for name in _imported(node):
                types = ("datahub.flow", "datahub.ports") if id(node) in only_types else ()
                opener = (SERVE,) if door == "cli" else ()
                if not _may_import(name, (f"datahub.{door}", *opener, *types)):
                    yield node.lineno, f"imports {name}"
        elif _is_private_of_hub(node):
            yield node.lineno, f"hub.{node.attr}"


def _type_checking(node: ast.stmt) -> Iterator[ast.AST]:
    if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
        yield from ast.walk(node)


def _imported(node: ast.ImportFrom | ast.Import) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    return [f"{node.module}.{alias.name}" for alias in node.names]


def _may_import(name: str, types: tuple[str, ...]) -> bool:
    if name == "dataclasses.asdict":  # a result has a declared shape
        return False
    if not name.startswith("datahub") or name in ("datahub.hub.Hub", "datahub.__version__"):
        return True
    return any(name == home or name.startswith(f"{home}.") for home in (*VALUES, *types))


def _is_private_of_hub(node: ast.AST) -> TypeGuard[ast.Attribute]:
    if not isinstance(node, ast.Attribute):
        return False
    return _is_hub(node.value) and node.attr not in public_calls()


def _is_hub(value: ast.expr) -> bool:
    if isinstance(value, ast.Call):
        return ast.unparse(value.func) in ("Hub.open", "hub.on")
    return isinstance(value, ast.Name) and value.id in ("hub", "Hub")


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("def f(hub):\n    return hub.store.branches()", "hub.store"),
        ("def f(hub):\n    return hub.catalog.upgrade()", "hub.catalog"),
        ("def f(hub):\n    return hub._parts", "hub._parts"),
        ("from datahub.hub import Hub\nHub.open('.').rows", "hub.rows"),
        ("from datahub.hub.wiring import Wiring", "imports datahub.hub.wiring.Wiring"),
        ("from datahub.flow.history import refs", "imports datahub.flow.history.refs"),
        ("def f():\n    from datahub import config", "imports datahub.config"),
        ("import datahub.machine.disk", "imports datahub.machine.disk"),
        ("from dataclasses import asdict", "imports dataclasses.asdict"),
    ],
)
def test_a_command_that_reaches_past_the_hub_is_named(copy: Path, text: str, names: str) -> None:
    with breached(copy, "datahub/cli/branch.py", text):
        reaches = past_the_hub(copy)

    assert [reach.partition(": ")[2] for reach in reaches] == [names]


def test_the_command_line_touches_nothing_but_public_calls_of_hub() -> None:
    assert past_the_hub(HERE) == []


# -- flow, core and ports handle paths as names: a port reads, writes, measures and removes files

IO_OF_PATHS = {
    *("absolute", "chmod", "cwd", "exists", "expanduser", "glob", "hardlink_to", "home"),
    *("is_dir", "is_file", "is_fifo", "is_mount", "is_socket", "is_symlink", "iterdir"),
    *("lchmod", "lstat", "mkdir", "open", "read_bytes", "read_text", "readlink", "resolve"),
    *("rglob", "rmdir", "samefile", "stat", "symlink_to", "unlink", "write_bytes", "write_text"),
}


def io_of_paths(at: Path) -> list[str]:
    """Calls of Path's I/O in the layers that do none."""
    files = [
        file
        for layer in ("core", "flow", "ports")
        for file in sorted((at / "datahub" / layer).rglob("*.py"))
    ]
    assert len(files) > 50
    return [
        f"{file.relative_to(at)}:{node.lineno}: {ast.unparse(node.func)}()"
        for file in files
        for node in ast.walk(parsed(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and _is_io(node)
    ]


def _is_io(call: ast.Call) -> bool:
    """Told by the method's name; three that others have too, by the arguments that Path's takes."""
    if isinstance(call.func, ast.Name):
        return call.func.id == "open"
    if not isinstance(call.func, ast.Attribute):
        return False
    name, arguments = call.func.attr, len(call.args)
    if name == "replace":  # str.replace takes two, datetime.replace only named ones
        return arguments == 1 and not call.keywords
    if name == "touch":  # Patches.touch takes a part
        return arguments == 0
    if name == "rename":  # frames and series are renamed by a mapping or text
        return arguments == 1 and "path" in ast.unparse(call.func.value).lower()
    return name in IO_OF_PATHS


@pytest.mark.slow
@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("datahub/flow/rows/sorting.py", "path.unlink(missing_ok=True)"),
        ("datahub/flow/dataset/parts.py", "staged.stat().st_size"),
        ("datahub/core/parts.py", "Path('a').read_text()"),
        ("datahub/ports/bytes.py", "open('a')"),
        ("datahub/flow/history/diff.py", "self.path.replace(target)"),
        ("datahub/flow/label/run.py", "path.rename(target)"),
        ("datahub/flow/steps.py", "Path('lock').touch()"),
        ("datahub/flow/rows/source.py", "with folder.joinpath('a').open() as file: pass"),
    ],
)
def test_io_by_way_of_a_path_is_named(copy: Path, file: str, text: str) -> None:
    with breached(copy, file, text):
        (breach,) = io_of_paths(copy)

    assert breach.startswith(f"{file}:")


def test_core_flow_and_ports_do_no_io_by_way_of_a_path() -> None:
    assert io_of_paths(HERE) == []
