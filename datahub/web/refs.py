"""Branches, tags and what a ref names: git's words, with the commit id as ETag."""

from __future__ import annotations

from typing import Annotated

from fastapi import Body, Request, Response

from datahub.core.accounts import Right
from datahub.core.errors import BranchNotFound, TagNotFound
from datahub.hub import results
from datahub.web.asking import Asks
from datahub.web.resource import Resource, answer

branches = Resource("branches")
tags = Resource("tags")
refs = Resource("refs")

Name = Annotated[str, Body(description="Its name.", max_length=200)]
At = Annotated[str, Body(description="A branch, a tag or a commit.", max_length=200)]


@branches.get("/branches", right=Right.READ, result=list[results.Branch])
def list_branches(ask: Asks) -> Response:
    """All branches and their heads, by name."""
    heads = ask.hub().branches()
    return answer([results.Branch(name, head) for name, head in sorted(heads.items())])


@branches.get("/branches/{branch:path}", right=Right.READ, result=results.Branch)
def get_branch(branch: str, ask: Asks, request: Request) -> Response:
    """A branch; its ETag is the commit at its head."""
    head = _head(ask, branch)
    return answer(results.Branch(branch, head), request, etag=head)


@branches.write("POST", "/branches", right=Right.LABEL, result=results.Branch, status=201)
def create_branch(ask: Asks, branch: Name, at: At = "main") -> Response:
    """Cut a branch, without a copy."""
    commit = ask.hub().create_branch(branch, at=at)
    ask.moved("", commit.id)
    result = results.Branch(branch, commit.id)
    return answer(result, etag=commit.id, status=201, location=f"branches/{branch}")


@branches.write("DELETE", "/branches/{branch:path}", right=Right.LABEL, result=results.Deleted)
def delete_branch(branch: str, ask: Asks) -> Response:
    """Remove a branch's name, once another branch or a tag reaches its commits."""
    head = _head(ask, branch)
    ask.check_head(branch, head)
    ask.hub().delete_branch(branch)
    ask.moved(head, "")
    return answer(results.Deleted(branch))


@tags.get("/tags", right=Right.READ, result=list[results.Tag])
def list_tags(ask: Asks) -> Response:
    """All tags and their commits, by name."""
    commits = ask.hub().tags()
    return answer([results.Tag(name, commit) for name, commit in sorted(commits.items())])


@tags.get("/tags/{tag:path}", right=Right.READ, result=results.Tag)
def get_tag(tag: str, ask: Asks, request: Request) -> Response:
    """A tag, which never moves."""
    commit = _tagged(ask, tag)
    return answer(results.Tag(tag, commit), request, etag=commit)


@tags.write("POST", "/tags", right=Right.LAND, result=results.Tag, status=201)
def create_tag(ask: Asks, tag: Name, at: At = "main") -> Response:
    """Name a commit for good."""
    commit = ask.hub().create_tag(tag, at=at)
    ask.moved("", commit.id)
    result = results.Tag(tag, commit.id)
    return answer(result, etag=commit.id, status=201, location=f"tags/{tag}")


@tags.write("DELETE", "/tags/{tag:path}", right=Right.LAND, result=results.Deleted)
def delete_tag(tag: str, ask: Asks) -> Response:
    """Remove a tag's name; the history stays."""
    commit = _tagged(ask, tag)
    ask.check_head(tag, commit)
    ask.hub().delete_tag(tag)
    ask.moved(commit, "")
    return answer(results.Deleted(tag))


@refs.get("/refs/{ref:path}", right=Right.READ, result=results.Commit)
def get_ref(ref: str, ask: Asks, request: Request) -> Response:
    """The commit that a branch, a tag, an id or `main~2` names now."""
    commit = ask.hub().commit_at(ref)
    return answer(results.Commit.of(commit), request, etag=commit.id)


def _head(ask: Asks, branch: str) -> str:
    head = ask.hub().branches().get(branch)
    if head is None:
        raise BranchNotFound(branch)
    return head


def _tagged(ask: Asks, tag: str) -> str:
    commit = ask.hub().tags().get(tag)
    if commit is None:
        raise TagNotFound(tag)
    return commit
