"""Whether labels were made by the LFs that people review: those of the merge, and of the checkout.

Three must agree: the record of what voted (lf_code.json), the LFs that the merge has, and those of
the checkout, where there is one. Hashes tell it first; where they differ, the statements of the
files do. No code of a user runs.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping

from datahub.core.check_result import CheckResult
from datahub.core.errors import DatahubError
from datahub.core.layout import label_model_file, lf_code_file, lfs_file
from datahub.core.lf_code import CodeRecord, LFFiles, code_edit, may_hold_lfs
from datahub.flow.dataset.at import At
from datahub.flow.dataset.code import code_record

CHECK = "labels_of_reviewed_lfs"
_REMEDY = "Run `datahub lf run` and `datahub label fit` on the source branch"
_MOST = 8  # names in a message


Checkout = Callable[[Collection[str]], LFFiles]  # the files, with the models that are named


def reviewed(at: At, head: At, checkout: Checkout | None) -> list[CheckResult]:
    """Whether the votes of a merged dataset are of the LFs that `checkout` and the merge have.

    Where the merge brings no votes to `head`, its labels changed by people or rows alone: the code
    is not part of it, and an edit is a warning.
    """
    if at.votes is None or not at.has("labels"):
        return []
    record = code_record(at)
    severity = "critical" if _brings_votes(at, head, record) else "warning"
    edits = dict(_committed_edits(at, record))
    own = _checkout_edits(at, record, checkout) if checkout else ()
    edits |= {path: text for path, text in own if path not in edits}
    failures = [
        CheckResult(
            "datahub", CHECK, "failed", f"{text}. {_remedy(severity)}", at.name, severity=severity
        )
        for text in edits.values()
    ]
    return failures or [_agreement(at, record, with_checkout=checkout is not None)]


def is_of(at: At, checkout: Checkout) -> bool:
    """Whether the votes of a dataset are of the LFs of a checkout, and of those committed."""
    record = code_record(at)
    if record is None:
        return False  # a run makes the record, and reuses the votes
    return not [*_committed_edits(at, record), *_checkout_edits(at, record, checkout)]


def _agreement(at: At, record: CodeRecord | None, *, with_checkout: bool) -> CheckResult:
    place = "the merge and of this checkout" if with_checkout else "the merge"
    count = len(at.votes.lfs) if at.votes else 0
    figures = f"{count} LFs, {len(_files(at, record))} files"
    text = f"Labels of {at.name} were made by the LFs of {place}."
    return CheckResult("datahub", CHECK, "passed", text, at.name, observed=figures)


def _remedy(severity: str) -> str:
    if severity == "warning":
        return "This merge brings no votes, so that its labels are not of this code"
    return f"{_REMEDY}, or judge by the committed LFs: --committed-lfs"


def _brings_votes(at: At, head: At, record: CodeRecord | None) -> bool:
    """Whether votes, the model or the code of LFs are others than on the destination."""
    paths = [lfs_file(at.name), label_model_file(at.name), lf_code_file(at.name)]
    paths += _files(at, record)
    return any(at.contents.find(path) != head.contents.find(path) for path in paths)


def _files(at: At, record: CodeRecord | None) -> Mapping[str, str]:
    """Path -> hash of the files that the votes came from.

    Before there was a record, each file of an LF was committed with its votes.
    """
    if record is not None:
        return record.files
    files = sorted({lf.file for lf in at.votes.lfs}) if at.votes else ()
    return {path: oid for path in files if (oid := at.contents.find(path)) is not None}


def _committed_edits(at: At, record: CodeRecord | None) -> Iterator[tuple[str, str]]:
    """What the merge's own LFs are otherwise than those that voted."""
    for path, digest in _files(at, record).items():
        if path.endswith(".py") and (oid := at.contents.find(path)) != digest:
            now = None if oid is None else at.store.read(oid)
            if text := _told(at, path, _text(at, digest), now):
                yield path, f"{text} (committed apart from the votes)"


def _checkout_edits(at: At, record: CodeRecord | None, read: Checkout) -> Iterator[tuple[str, str]]:
    """What the checkout's LFs are otherwise than those that voted."""
    files = _files(at, record)
    checkout = read([path for path in files if path.endswith(".onnx")])
    for path, digest in files.items():
        if checkout.hashes.get(path) != digest:
            now = checkout.texts.get(path)
            is_there = path in checkout.hashes
            text = _told(at, path, _text(at, digest), now, is_there=is_there)
            if text:
                yield path, text
    for path in sorted(checkout.hashes.keys() - files.keys()):
        if record is not None and may_hold_lfs(path):
            yield path, f"{path} is new since the votes on {at.name}: its LFs have not voted"


def _text(at: At, digest: str) -> bytes | None:
    """A file as it was when its LFs voted; None where the store has it no more."""
    try:
        return at.store.read(digest)
    except DatahubError:
        return None


def _told(
    at: At, path: str, before: bytes | None, now: bytes | None, *, is_there: bool | None = None
) -> str:
    """What is other about a file, in words; empty where only comments or layout are."""
    lfs = [lf.name for lf in at.votes.lfs if lf.file == path] if at.votes else []
    if now is None and not is_there:
        names = f", and LFs with it: {_listed(lfs)}" if lfs else ""
        return f"{path} is gone since the votes on {at.name}{names}"
    if before is None or now is None or not path.endswith(".py"):
        return f"{path} was changed since the votes on {at.name}, and LFs may depend on it"
    edit = code_edit(before, now, lfs)
    if not edit:
        return ""
    if not edit.shared:
        return f"LFs edited since the votes on {at.name}: {_listed(edit.lfs)} ({path})"
    absences = [name for name in lfs if name not in edit.lfs]
    names = f"; LFs of it: {_listed([*edit.lfs, *absences])}" if lfs or edit.lfs else ""
    return f"{path} was edited since the votes on {at.name}, and LFs may depend on it{names}"


def _listed(names: list[str] | tuple[str, ...]) -> str:
    more = f" and {len(names) - _MOST} more" if len(names) > _MOST else ""
    return ", ".join(names[:_MOST]) + more
