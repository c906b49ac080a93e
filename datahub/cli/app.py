"""Where the command line begins and ends: one wall for all errors, one table of exit codes.

Exit code 1 means findings, and nothing else: what nobody expected is 70, whoever raised it and
whatever it is derived from. polars' panics are a BaseException of its own.
"""

from __future__ import annotations

import os
import select
import sys
from io import TextIOWrapper

from datahub.cli import faults
from datahub.cli.native import panics_held_back
from datahub.cli.output import emit_error, talk
from datahub.cli.state import state
from datahub.core import errors

EXIT_CODES: dict[type[errors.DatahubError], int] = {
    errors.GateRefused: 1,
    errors.ConfigError: 2,
    errors.InputError: 2,
    errors.Conflict: 3,
    errors.AuthenticationError: 4,
    errors.NotSignedIn: 4,
    errors.Forbidden: 4,
    errors.NotFound: 5,
    errors.Unavailable: 6,
    errors.GateError: 7,
    errors.LimitReached: 7,
    errors.Rejected: 7,
    errors.BackendError: 7,
    errors.StorageError: 7,
    faults.Bug: 70,
}
USAGE = 2
INTERRUPT_CODE = 130


def exit_code(error: errors.DatahubError) -> int:
    """The exit code of an error: that of its nearest class in the table."""
    return next(EXIT_CODES[kind] for kind in type(error).__mro__ if kind in EXIT_CODES)


def main() -> None:
    """Run the command line; turn every error into one line, one hint and an exit code."""
    state.json = False
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):  # keys and texts are Unicode, whatever the locale
            stream.reconfigure(encoding="utf-8", errors="backslashreplace")
    with panics_held_back() as panics:
        try:
            code = _run()
        except BaseException as error:  # noqa: BLE001  the last wall: not to go on, but to say so
            code = _report_end(error, panics())
    sys.exit(code)


def _run() -> int:
    from datahub.cli.commands import run  # here, for the wall stands around this too

    code = run()
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        _nothing_is_left_to_flush()
        raise errors.StorageError(
            f"The results could not be written: {error.strerror}.",
            hint="Free some space, and run the command again.",
        ) from error
    return code


def _report_end(error: BaseException, panics: str) -> int:
    """Say what ended the command, where somebody still listens; return the exit code."""
    if isinstance(error, SystemExit) and isinstance(error.__context__, BrokenPipeError):
        error = error.__context__  # typer's own way to end, while it prints help
    if isinstance(error, BrokenPipeError) and _reader_left():  # `datahub log | head`
        _nothing_is_left_to_flush()
        return 0
    try:
        return _report(error, panics)
    except OSError:  # stderr is closed, or its reader left
        is_expected = isinstance(error, errors.DatahubError)
        return exit_code(error) if is_expected else EXIT_CODES[faults.Bug]  # type: ignore[arg-type]


def _report(error: BaseException, panics: str) -> int:
    if isinstance(error, KeyboardInterrupt):
        _say_where(error)
        return INTERRUPT_CODE
    if faults.is_abort(error):
        talk("Aborted.")
        return INTERRUPT_CODE
    as_json = state.json or "--json" in sys.argv[1:]  # a usage error may come before the option
    if faults.is_usage(error):
        faults.emit_usage(error, as_json=as_json)
        return USAGE
    if not isinstance(error, errors.DatahubError):
        error = faults.Bug(error, panics)
    emit_error(error, as_json=as_json)
    return exit_code(error)


def _say_where(error: BaseException) -> None:
    """What an interrupted command was at, where it noted that."""
    at: BaseException | None = error
    chain: list[BaseException] = []
    while at is not None and at not in chain:  # a chain may be a ring
        for note in getattr(at, "__notes__", ()):
            talk(note)
        chain.append(at)
        at = at.__cause__ or at.__context__


def _reader_left() -> bool:
    """Whether nobody reads stdout any more: another pipe may have broken."""
    try:
        watch = select.poll()
        watch.register(sys.stdout.fileno(), 0)
        return any(event & (select.POLLERR | select.POLLHUP) for _, event in watch.poll(0))
    except (OSError, ValueError):  # a stdout without a file
        return False


def _nothing_is_left_to_flush() -> None:
    sys.stdout = open(os.devnull, "w")  # noqa: PTH123, SIM115


if __name__ == "__main__":
    main()
