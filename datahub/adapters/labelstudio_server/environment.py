"""Label Studio's own virtual environment: its pins fight ours."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from datahub.adapters.labelstudio_server.packages import install_packages
from datahub.adapters.labelstudio_server.private_files import lock, read, translate_errors, write
from datahub.core.errors import StorageError, Unavailable

VERSION = "1.23.2"
CONSTRAINTS = Path(__file__).with_name("labelstudio_constraints.txt")
MARKER = "datahub-installed.json"
QUIET = {
    "SENTRY_DSN": "",
    "FRONTEND_SENTRY_DSN": "",
    "COLLECT_ANALYTICS": "false",
    "LATEST_VERSION_CHECK": "false",
    "DISABLE_SIGNUP_WITHOUT_LINK": "true",
    "CORS_ALLOW_ALL_ORIGINS": "false",
    "ALLOWED_HOSTS": "127.0.0.1,localhost",  # no rebinding of a stranger's name to this server
    "FEATURE_FLAGS_OFFLINE": "true",
    "LOCAL_FILES_SERVING_ENABLED": "false",
    "DEBUG": "false",
    "TQDM_DISABLE": "1",
}

Say = Callable[[str], None]


def install(environment: Path, *, say: Say) -> None:
    """Make the environment unless it is whole. Raises Unavailable with pip's last lines."""
    with lock(environment.with_name(environment.name + ".lock")):
        if read(environment / MARKER) == marker():
            return
        if environment.exists():
            say(f"Removing the unfinished or older {environment}")
            _remove_environment(environment)
        say(f"Installing label-studio {VERSION} into {environment}")
        install_packages(
            environment,
            f"label-studio=={VERSION}",
            CONSTRAINTS,
            run=lambda command, variables: _run(command, variables, say),
        )
        write(environment / MARKER, marker())


def clean_environment() -> dict[str, str]:
    """Ours, without what would lead Python, Django or Label Studio astray."""
    led_astray = ("LABEL_STUDIO_", "HEARTEX_", "DJANGO_", "PYTHON", "POSTGRE_", "MINIO_", "REDIS_")
    variables = {k: v for k, v in os.environ.items() if not k.startswith(led_astray)}
    # Its packages are another set than ours: our constraints, exported by make, do not hold there.
    names = {"HOST", "PORT", "VIRTUAL_ENV", "DEBUG", "PIP_CONSTRAINT", "PIP_BUILD_CONSTRAINT"}
    variables = {k: v for k, v in variables.items() if k not in names}
    return (
        variables | {f"LABEL_STUDIO_{k}": v for k, v in QUIET.items()} | {"PYTHONUNBUFFERED": "1"}
    )


def marker() -> dict[str, Any]:
    """What a whole environment's marker says."""
    digest = hashlib.sha256(CONSTRAINTS.read_bytes()).hexdigest()
    return {"version": VERSION, "constraints": digest, "python": sys.version}


def _run(command: list[str], variables: Mapping[str, str], say: Say) -> None:
    last: deque[str] = deque(maxlen=8)
    with subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        env={**clean_environment(), **variables},
    ) as child:
        try:
            for line in child.stdout or ():
                last.append(line.rstrip())
                if line.startswith(("Collecting", "Installing", "Building")):
                    say(line.rstrip()[:100])
        except BaseException:
            child.kill()
            raise
    if child.returncode:
        raise Unavailable(
            "Label Studio could not be installed. The last lines:\n" + "\n".join(last),
            hint="Check the network and the disk, then run the command again: it starts over.",
            backend="label-studio",
        )


def _remove_environment(environment: Path) -> None:
    """Only what is a virtual environment: a wrongly named folder is not emptied."""
    if any(environment.iterdir()) and not (environment / "pyvenv.cfg").exists():
        raise StorageError(
            f"{environment} is not a virtual environment.",
            hint="Name another folder for Label Studio's environment.",
        )
    with translate_errors(environment):
        shutil.rmtree(environment)
