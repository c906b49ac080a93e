"""The version store by need: four ports, their sum, and what fits them."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import pytest

from datahub.adapters.versions_embedded import EmbeddedVersionStore
from datahub.adapters.versions_lakefs import LakeFSVersionStore
from datahub.machine.bytes.files import ObjectFiles
from datahub.ports import (
    Adopting,
    Bytes,
    History,
    Landing,
    Ranged,
    Refs,
    Remembering,
    Sharing,
    Upkeep,
    VersionStore,
)

NEEDS = (Bytes, Refs, History, Landing)
OPTIONS = (Sharing, Ranged, Remembering, Adopting, Upkeep)
ADAPTERS = (EmbeddedVersionStore, LakeFSVersionStore)


def fits(
    files: ObjectFiles, embedded: EmbeddedVersionStore, lake: LakeFSVersionStore
) -> tuple[Bytes, VersionStore, VersionStore, Sharing, Ranged]:
    """Types only: mypy holds the adapters to the ports here."""
    return files, embedded, lake, embedded, lake


def methods(port: type) -> dict[str, Callable[..., object]]:
    """What a port itself asks for."""
    return {
        name: thing
        for name, thing in vars(port).items()
        if inspect.isfunction(thing) and not name.startswith("_")
    }


def test_a_version_store_is_the_sum_of_four_ports_and_asks_for_nothing_besides() -> None:
    assert VersionStore.__mro__[1:5] == NEEDS
    assert methods(VersionStore) == {}
    assert all(Protocol in port.__mro__ for port in NEEDS)


@pytest.mark.parametrize("port", NEEDS, ids=lambda port: str(port.__name__))
def test_a_port_asks_for_seven_methods_at_most(port: type) -> None:
    assert 0 < len(methods(port)) <= 7


def test_no_method_is_in_two_ports() -> None:
    names = [name for port in (*NEEDS, *OPTIONS) for name in methods(port)]

    assert len(names) == len(set(names))


@pytest.mark.parametrize("adapter", ADAPTERS, ids=lambda adapter: str(adapter.__name__))
def test_a_store_offers_what_its_ports_ask_for_and_nothing_else(adapter: type) -> None:
    asked = {name for port in (*NEEDS, *OPTIONS) for name in methods(port)}
    own = {name for name in dir(adapter) if not name.startswith("_")}

    assert own - asked <= {"at", "create", "close"}  # how hub makes one and ends it
    assert {name for port in NEEDS for name in methods(port)} <= own


@pytest.mark.parametrize("adapter", [*ADAPTERS, ObjectFiles], ids=lambda kind: str(kind.__name__))
def test_arguments_are_those_of_the_port(adapter: type) -> None:
    for port in (*NEEDS, *OPTIONS):
        for name, method in methods(port).items():
            if hasattr(adapter, name):
                said = inspect.signature(getattr(adapter, name))
                assert str(said) == str(inspect.signature(method)), f"{port.__name__}.{name}"


def test_files_in_a_folder_are_bytes_without_a_store(tmp_path: Path) -> None:
    """All that a process needs which computes on parts: no branch, no commit, no versions.db."""
    files: Bytes = ObjectFiles(tmp_path)
    staged = files.stage(".txt")
    staged.write_bytes(b"two")

    ids = [files.put(b"one"), files.put(staged), *files.put_all([b"three"])]

    assert [files.read(oid) for oid in ids] == [b"one", b"two", b"three"]
    assert files.fetch(ids[1]).read_bytes() == b"two"
    assert not (tmp_path / "versions.db").exists()
