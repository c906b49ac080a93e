"""How packages come into a new virtual environment: with uv where it is, else with pip."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from datahub.core.errors import Unavailable

Run = Callable[[list[str], Mapping[str, str]], None]  # raises Unavailable with the last lines
SETTING = re.compile(r"(?:global|install|:env:)\.([a-z-]+)='(.*)'")

AS_UV_SAYS_IT = {
    "index-url": "UV_DEFAULT_INDEX",
    "extra-index-url": "UV_INDEX",
    "find-links": "UV_FIND_LINKS",
    "cert": "SSL_CERT_FILE",
}
OF_PIP_ALONE = {
    "cache-dir",
    "default-timeout",
    "disable-pip-version-check",
    "no-input",
    "quiet",
    "timeout",
}
OF_OUR_OWN_PACKAGES = (":env:.constraint=", ":env:.build-constraint=")  # make exports them


def install_packages(environment: Path, requirement: str, constraints: Path, *, run: Run) -> None:
    """Make a virtual environment with `requirement` in it; uv takes a sixth of pip's CPU time.

    uv is left out where pip's settings say what it cannot be told, and pip has the last word
    where uv fails. Raises Unavailable with pip's last lines.
    """
    uv = _uv()
    variables = uv_variables(_pip_settings()) if uv else None
    if uv and variables is not None:
        python = str(environment / "bin" / "python")
        arguments = ["pip", "install", "--python", python, "--constraint", str(constraints)]
        try:
            run([sys.executable, "-m", "venv", "--without-pip", str(environment)], {})
            run([uv, *arguments, "--index-strategy", "unsafe-best-match", requirement], variables)
            return
        except Unavailable:
            shutil.rmtree(environment, ignore_errors=True)
    _install_with_pip(environment, requirement, constraints, run)


def uv_variables(settings: str) -> dict[str, str] | None:
    """What pip's settings, as `pip config list` prints them, are for uv; None: it has no such.

    >>> uv_variables("global.index-url='https://packages.example/simple'")
    {'UV_DEFAULT_INDEX': 'https://packages.example/simple'}
    >>> uv_variables("global.proxy='packages.example:3128'") is None
    True
    """
    variables: dict[str, str] = {}
    for line in settings.splitlines():
        if line.startswith(OF_OUR_OWN_PACKAGES):
            continue
        match = SETTING.fullmatch(line.strip())
        if not match or "\\n" in match[2] or match[1] not in AS_UV_SAYS_IT.keys() | OF_PIP_ALONE:
            return None
        if match[1] in AS_UV_SAYS_IT:
            variables[AS_UV_SAYS_IT[match[1]]] = match[2]
    return variables


def _install_with_pip(environment: Path, requirement: str, constraints: Path, run: Run) -> None:
    pip = [str(environment / "bin" / "python"), "-m", "pip", "install"]
    run([sys.executable, "-m", "venv", str(environment)], {})
    options = ["--no-input", "--disable-pip-version-check", "--constraint", str(constraints)]
    run([*pip, *options, requirement], {})


def _uv() -> str | None:
    beside = Path(sys.executable).with_name("uv")
    return str(beside) if beside.exists() else shutil.which("uv")


def _pip_settings() -> str:
    """As pip prints them; what cannot be read is a setting that uv cannot be told."""
    listing = subprocess.run(
        [sys.executable, "-m", "pip", "config", "list"], capture_output=True, text=True, check=False
    )
    return listing.stdout if listing.returncode == 0 else "unreadable"
