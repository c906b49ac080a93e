"""What code of users raised or gave, as text that can be shown and stored."""

from __future__ import annotations


def told(error: BaseException) -> str:
    """What user code raised, as text that can be shown and stored, whatever the error is like.

    >>> told(ValueError("no number"))
    'ValueError: no number'
    """
    try:
        message = str(error)
    except KeyboardInterrupt:
        raise
    except BaseException as unreadable:  # noqa: BLE001  its __str__ is user code too
        message = f"(its text raised {type(unreadable).__name__})"
    return storable(f"{type(error).__name__}: {message}"[:300])


def shown(value: object) -> str:
    """What user code gave, as a short text, whatever its `__repr__` does."""
    try:
        text = repr(value)
    except KeyboardInterrupt:
        raise
    except BaseException as unreadable:  # noqa: BLE001  its __repr__ is user code too
        text = f"a {type(value).__name__} (its repr raised {type(unreadable).__name__})"
    return storable(text if len(text) <= 80 else text[:80] + "...")


def storable(text: str) -> str:
    r"""The text with what UTF-8 cannot hold written out.

    >>> storable("a\udc80")
    'a\\udc80'
    """
    return text.encode("utf-8", "backslashreplace").decode("utf-8")
