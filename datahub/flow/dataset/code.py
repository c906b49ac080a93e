"""The code that votes of a dataset came from, as a commit records it."""

from __future__ import annotations

from datahub.core.errors import LabelingFunctionError
from datahub.core.layout import lf_code_file
from datahub.core.lf_code import CodeRecord, LFFiles, voters_of
from datahub.core.manifest import VotesManifest
from datahub.flow.dataset.at import At
from datahub.flow.dataset.draft import Draft


def code_record(at: At) -> CodeRecord | None:
    """The files that the LFs that voted came from; None where no `lf run` wrote that of them."""
    record = at.contents.read_as(lf_code_file(at.name), CodeRecord.from_json)
    if record is None or at.votes is None or record.voters != voters_of(at.votes):
        return None
    return record


def put_code(draft: Draft, files: LFFiles, manifest: VotesManifest) -> None:
    """Let a commit of votes hold the code that made them: Python as it is, all else by its hash.

    Python files that it held of earlier votes, and that are gone, go.
    """
    at = draft.at
    record = CodeRecord(voters_of(manifest), files.hashes)
    draft.put(lf_code_file(at.name), record.to_json())
    oids = at.store.put_all(files.texts.values())
    draft.changes |= zip(files.texts, oids, strict=True)
    earlier = {entry.file for entry in at.votes.lfs} if at.votes else set()
    before = code_record(at)
    earlier |= {path for path in (before.files if before else ()) if path.endswith(".py")}
    removals = sorted(earlier - set(files.texts))
    draft.remove(path for path in removals if at.contents.find(path) is not None)


def check_unchanged(before: LFFiles, now: LFFiles) -> None:
    """Raise LabelingFunctionError where files changed while LFs ran: who voted is not known."""
    changes = before.changed(now)
    if changes:
        raise LabelingFunctionError(
            f"{', '.join(changes[:3])} changed while LFs ran, so nothing was committed.",
            hint="Run `datahub lf run` again.",
        )
