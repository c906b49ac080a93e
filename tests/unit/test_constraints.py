"""What pyproject.toml allows and what constraints.txt pins belong together."""

from __future__ import annotations

import tomllib
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

HERE = Path(__file__).parents[2]


def test_every_declared_dependency_is_pinned_within_its_range() -> None:
    lines = (HERE / "constraints.txt").read_text("utf-8").splitlines()
    pins = dict(line.split("==") for line in lines if not line.startswith("#"))
    pinned = {canonicalize_name(name): version for name, version in pins.items()}
    declared = tomllib.loads((HERE / "pyproject.toml").read_text("utf-8"))
    project = declared["project"]
    texts = [
        *project["dependencies"],
        *(one for extra in project["optional-dependencies"].values() for one in extra),
        *declared["build-system"]["requires"],
    ]

    unmet = [
        text
        for text in texts
        if not (one := Requirement(text)).specifier.contains(pinned[canonicalize_name(one.name)])
    ]

    assert unmet == []
