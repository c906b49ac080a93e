"""Signatures of verdicts: that whoever has the secret judged this, for this branch. Pure.

A branch's rules may say `signed_by = "..."` (gates.toml), the id of a secret. The secret itself is
in no commit. A signature is that id and an HMAC-SHA256 over the branch and the whole verdict.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Mapping
from dataclasses import replace

from datahub.core.dataset import to_canonical_json
from datahub.core.errors import ConfigError
from datahub.core.verdict import VERDICT_FORMAT, Verdict

SETTING = "DATAHUB_VERDICT_SECRET"
Secrets = Mapping[str, str]  # by their ids
_LEAST = 32  # characters: the id gives a guess away


def secrets_of(text: str) -> dict[str, str]:
    """The secrets that a setting holds, apart by blanks: while they change, the old ones too.

    Raises ConfigError for one that could be guessed.
    """
    secrets = text.split()
    if any(len(secret) < _LEAST for secret in secrets):
        raise ConfigError(
            f"{SETTING} holds a secret of less than {_LEAST} characters.",
            hint="Make one by `openssl rand -hex 32`.",
        )
    return {key_id(secret): secret for secret in secrets}


def key_id(secret: str) -> str:
    """What names a secret in public.

    >>> key_id("an example of a secret, and no more")
    'c809456d96bc2090'
    """
    return _mac(secret, "datahub: the id of a secret for verdicts")[:16]


def sign_verdict(verdict: Verdict, branch: str, secret: str) -> Verdict:
    """The verdict with a signature, for a merge into `branch`."""
    plain = replace(verdict, signature="")
    return replace(plain, signature=_signature(plain.to_json(), branch, secret))


def is_signed(content: str | bytes, branch: str, secret: str) -> bool:
    """Whether that secret signed exactly this verdict, for this branch.

    As it is written, and not as it is read: so a datahub that knows more fields can tell, too.
    """
    try:
        raw = json.loads(content)
        signature = str(raw.pop("signature", "")).encode()
        text = to_canonical_json({**raw, "format": VERDICT_FORMAT})
        return hmac.compare_digest(signature, _signature(text, branch, secret).encode())
    except ValueError:  # no number, or no letter, that anybody signs
        return False


def secret_for(signed_by: str, secrets: Secrets) -> str:
    """The secret that a branch's rules name. Raises ConfigError: there is none, or another one."""
    if signed_by in secrets:
        return secrets[signed_by]
    if not secrets:
        raise ConfigError(
            f"Verdicts are to be signed by the secret {signed_by!r} (signed_by in "
            f"expectations/gates.toml), and {SETTING} is not set.",
            hint="Merge where the secret is, such as in CI; or set it in the environment, if it "
            "is yours to have.",
        )
    raise ConfigError(
        f"Verdicts are to be signed by the secret {signed_by!r} (signed_by in "
        f"expectations/gates.toml), and {SETTING} holds {', '.join(map(repr, secrets))}.",
        hint="Set the secret of that id. To begin with another one: `datahub gate key` prints its "
        f"id for signed_by, and while it changes {SETTING} holds both, separated by a space.",
    )


def _signature(text: str, branch: str, secret: str) -> str:
    mac = _mac(secret, f"{branch}\n{text}")
    return f"{key_id(secret)}:{mac}"


def _mac(secret: str, message: str) -> str:
    return hmac.new(secret.encode(), message.encode(), hashlib.sha256).hexdigest()
