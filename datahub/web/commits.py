"""History: commits, what they changed, their verdicts, and what differs between two refs."""

from __future__ import annotations

from typing import Annotated

from fastapi import Query, Request, Response

from datahub.core.accounts import Right
from datahub.core.errors import InputError, NotFound
from datahub.hub import results
from datahub.web.asking import Asks
from datahub.web.resource import Resource, answer

commits = Resource("commits")
compare = Resource("compare")
verdicts = Resource("verdicts")

Ref = Annotated[str, Query(description="A branch, a tag or a commit.", max_length=200)]
Limit = Annotated[int, Query(ge=1, le=1000)]
Lines = Annotated[int, Query(ge=0, le=1000, description="Rows of each dataset to list.")]


@commits.get("/commits", right=Right.READ, result=list[results.Commit])
def list_commits(
    ask: Asks,
    ref: Ref = "main",
    limit: Limit = 100,
    dataset: Annotated[str | None, Query(max_length=200)] = None,
) -> Response:
    """History, children before parents; with `dataset` only what changed it.

    The next page is `ref={id}~1` of the last commit.
    """
    history = ask.hub().log(ref, limit=limit, dataset=dataset)
    return answer(results.Commit.list_of(history))


@commits.get("/commits/{commit}", right=Right.READ, result=results.Commit)
def get_commit(commit: str, ask: Asks, request: Request) -> Response:
    """A commit."""
    value = ask.hub().commit_at(commit)
    return answer(results.Commit.of(value), request, etag=value.id)


@commits.get("/commits/{commit}/changes", right=Right.READ, result=results.Difference)
def get_changes(commit: str, ask: Asks) -> Response:
    """What a commit changed against its first parent."""
    difference = ask.hub().changes(commit)
    if difference is None:
        raise NotFound("The first commit changed nothing: there is none before it.")
    return answer(results.Difference.of(difference))


@compare.get("/compare/{refs:path}", right=Right.READ, result=results.Difference)
def get_difference(refs: str, ask: Asks, lines: Lines = 0) -> Response:
    """What differs between two refs, as `old...new`: objects, and rows by key."""
    old, dots, new = refs.partition("...")
    if not (old and dots and new):
        raise InputError(f"{refs!r} names no two refs.", hint="Write it as main...work.")
    return answer(results.Difference.of(ask.hub().diff(old, new, lines=lines)))


@verdicts.get("/verdicts/{commit}", right=Right.VERDICTS, result=results.Verdict)
def get_verdict(commit: str, ask: Asks) -> Response:
    """The verdict that a merge commit carries."""
    verdict = ask.hub().verdict(commit)
    if verdict is None:
        raise NotFound(
            f"{commit!r} carries no verdict: no gate judged it.",
            hint="GET /refusals lists merges that a gate refused.",
        )
    return answer(results.Verdict.of(verdict))


@verdicts.get("/refusals", right=Right.VERDICTS, result=list[results.Refusal])
def list_refusals(ask: Asks, limit: Limit = 50) -> Response:
    """Merges that a gate refused, newest first, with all reasons."""
    return answer(results.Refusal.list_of(ask.hub().refusals(limit=limit)))


@verdicts.get("/audit/{branch:path}", right=Right.VERDICTS, result=results.Audit)
def get_audit(
    branch: str, ask: Asks, since: Annotated[str | None, Query(max_length=200)] = None
) -> Response:
    """Whether everything on a guarded branch came through its gate."""
    return answer(results.Audit.of(ask.hub().audit(branch, since=since)))
