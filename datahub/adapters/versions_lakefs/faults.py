"""Where errors of lakeFS, of its SDK and of the network stop: each becomes one of ours."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import lakefs_sdk
import urllib3

from datahub.core.errors import (
    AuthenticationError,
    Conflict,
    DatahubError,
    Guarded,
    NotFound,
    Rejected,
    StorageError,
    Unavailable,
)

BACKEND = "lakefs"
LATER = (423, 429, 502, 503, 504)  # it says itself that it may work later
_AGAIN = "Nothing was changed. Run the command again."
_HookOutput = Callable[[str], str]


class Refused409(DatahubError):
    """A name is taken, or a merge has conflicts (not said which). Never leaves this package."""


@contextmanager
def translate_errors(
    action: str, *, branch: str = "", hook_output: _HookOutput = lambda run: ""
) -> Iterator[None]:
    """Raise one of our errors for what lakeFS said. `doing` completes "lakeFS could not ..."."""
    try:
        yield
    except lakefs_sdk.ApiException as error:
        status, message = int(error.status or 0), message_of(error)
        raise _of_status(status, message, action, branch, hook_output) from error
    except urllib3.exceptions.HTTPError as error:  # the SDK lets these through
        raise Unavailable(
            f"lakeFS did not answer, asked to {action}: {_short(error)}",
            hint="Is the server up, and lakefs_endpoint right? Run the command again then.",
            backend=BACKEND,
        ) from error


def message_of(error: lakefs_sdk.ApiException) -> str:
    """What lakeFS said, in its own words."""
    body = error.body or error.reason or ""
    if isinstance(body, (bytes, bytearray)):
        body = bytes(body).decode(errors="replace")
    try:
        return str(json.loads(body)["message"])
    except (ValueError, KeyError, TypeError):
        return str(body).strip()


def _of_status(
    status: int, message: str, action: str, branch: str, hook_output: _HookOutput
) -> DatahubError:
    refusal = f"lakeFS refused to {action}: {message}"
    if status == 401:
        return AuthenticationError(
            "lakeFS does not know this key pair.",
            hint="Set DATAHUB_LAKEFS_ACCESS_KEY_ID and DATAHUB_LAKEFS_SECRET_ACCESS_KEY to a pair "
            "that the server of lakefs_endpoint gave you.",
        )
    if status == 403:
        return _forbidden(message, refusal, branch)
    if status == 404:
        return NotFound(refusal, hint="`datahub status` and `datahub branch list` show what is.")
    if status == 409:
        return Refused409(refusal)
    if status == 410:
        return StorageError(
            f"lakeFS could not {action}: the bytes are gone from its storage.",
            hint="They were erased or lost below lakeFS. Restore them there, or commit "
            "the path again.",
        )
    if status == 400 and "dirty" in message:
        return Conflict(
            f"Branch {branch!r} holds uncommitted objects on the server: nothing can be merged "
            "into it.",
            hint="Somebody staged them there. In lakeFS, commit or reset the branch; then run "
            "this command again.",
        )
    if status == 412:
        return _hook_failed(message, hook_output)
    if status in LATER or "locked" in message:
        return Unavailable(f"lakeFS is busy: {message}", hint=_AGAIN, backend=BACKEND)
    if status >= 500 and "action" in message:
        return Rejected(
            f"An action file under _lakefs_actions/ is broken, so lakeFS refuses: {message}",
            hint="Fix or remove that file on the branch; until then nothing can be committed.",
            backend=BACKEND,
        )
    return Rejected(f"{refusal} ({status})", hint=_AGAIN, backend=BACKEND)


def _forbidden(message: str, refusal: str, branch: str) -> DatahubError:
    """LakeFS has one status for what its rules forbid and for what a user may not do."""
    if "protected" in message:
        return Guarded(branch, f"lakeFS protects {branch!r}: {message}.")
    if "default branch" in message:
        return Conflict(
            f"{branch!r} is the default branch of the repository, which lakeFS does not delete.",
            hint="Make another branch the repository's default on the server first.",
        )
    return AuthenticationError(
        refusal, hint="Ask the server's administrator for a policy that allows it."
    )


def _hook_failed(message: str, hook_output: _HookOutput) -> DatahubError:
    run = re.search(r"hook run id '([^']+)'|run id '?([\w-]+)'?", message)
    output = hook_output(next(filter(None, run.groups()))) if run else ""
    return Rejected(
        f"A hook of the repository said no: {message}" + (f"\n{output}" if output else ""),
        hint="The hook's own message is above. Fix what it names, then run the command again.",
        backend=BACKEND,
    )


def _short(error: Exception) -> str:
    reason = getattr(error, "reason", None) or error
    return re.sub(r"<[^>]*>[:,]?\s*", "", str(reason))[:300]
