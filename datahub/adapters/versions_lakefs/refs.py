"""Branches and tags as names on the server: made and removed."""

from __future__ import annotations

import lakefs_sdk

from datahub.adapters.versions_lakefs.faults import Refused409
from datahub.adapters.versions_lakefs.names import encode
from datahub.adapters.versions_lakefs.server import Server
from datahub.core.errors import (
    BranchExists,
    BranchNotFound,
    InputError,
    NotFound,
    TagExists,
    TagNotFound,
)
from datahub.core.versions import CommitId, checked_branch


class Refs:
    """The names of one repository."""

    def __init__(self, server: Server) -> None:
        self._server = server

    def create_branch(self, name: str, at: CommitId) -> None:
        """Raises BranchExists."""
        creation = lakefs_sdk.BranchCreation(name=encode(name), source=at)
        try:
            self._server.ask("cut a branch", self._server.api.branches_api.create_branch, creation)
        except Refused409 as error:
            raise BranchExists(name) from error

    def delete_branch(self, name: str) -> None:
        """Raises BranchNotFound."""
        delete = self._server.api.branches_api.delete_branch
        try:
            self._server.ask("delete a branch", delete, encode(name), branch_name=name)
        except NotFound as error:
            raise BranchNotFound(name) from error

    def create_tag(self, name: str, at: CommitId) -> None:
        """Raises TagExists."""
        creation = lakefs_sdk.TagCreation(id=encode(name), ref=at)
        try:
            self._server.ask("make a tag", self._server.api.tags_api.create_tag, creation)
        except Refused409 as error:
            raise TagExists(name) from error

    def delete_tag(self, name: str) -> None:
        """Raises TagNotFound."""
        delete = self._server.api.tags_api.delete_tag
        try:
            checked_branch(name, kind="tag")
            self._server.ask("delete a tag", delete, encode(name))
        except (InputError, NotFound) as error:
            raise TagNotFound(name) from error
