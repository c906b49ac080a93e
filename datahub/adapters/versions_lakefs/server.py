"""The lakeFS server: one repository's requests in our words, few to an object.

Reads, and writes that may be repeated (a whole object at a path of a branch nobody else
writes), are retried; a commit or a merge never is.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote, urlencode

import lakefs_sdk
import urllib3
from lakefs_sdk.client import LakeFSClient

from datahub.adapters.versions_lakefs.faults import translate_errors
from datahub.adapters.versions_lakefs.requests import Retry, log_requests
from datahub.core.errors import StorageError
from datahub.ports import Remote

SHA256 = "sha256"  # user metadata: the object id
_PAGE = 1000
_THREADS = 16
_CHUNK = 1 << 20
_PATIENCE = (10, 300)  # seconds to connect, and to wait for bytes
_REPEATABLE = Retry(3, backoff_factor=0.2, status_forcelist=(502, 503, 504), redirect=0)
_ANY_METHOD = _REPEATABLE.new(allowed_methods=None)
_T = TypeVar("_T")
_R = TypeVar("_R")
Stat = Mapping[str, Any]


class Server:
    """One repository on one server. Opens no connection before it is asked something."""

    def __init__(
        self, endpoint: str, repository: str, *, access_key_id: str, secret_access_key: str
    ) -> None:
        endpoint = endpoint.rstrip("/").removesuffix("/api/v1")
        self.repository = repository
        self._configuration = lakefs_sdk.Configuration(
            host=f"{endpoint}/api/v1",
            username=access_key_id,
            password=secret_access_key,
        )
        self._configuration.retries = _REPEATABLE
        self._configuration.connection_pool_maxsize = _THREADS

    @cached_property
    def api(self) -> Any:
        """The SDK's client."""
        client = LakeFSClient(self._configuration)
        log_requests(client.objects_api.api_client.rest_client.pool_manager)
        return client

    @cached_property
    def storage(self) -> Any:
        """What kind of block store lies behind."""
        return self.call("describe its storage", self.api.config_api.get_config).storage_config

    def close(self) -> None:
        """Give all connections back."""
        if "api" in vars(self):
            self.api.config_api.api_client.rest_client.pool_manager.clear()

    def call(self, action: str, method: Callable[..., Any], *words: Any, **options: Any) -> Any:
        """One request. `branch` is for the error message."""
        branch = options.pop("branch_name", "")
        with translate_errors(action, branch=branch, hook_output=self.hook_output):
            return method(*words, **options, _request_timeout=_PATIENCE)

    def ask(self, action: str, method: Callable[..., Any], *words: Any, **options: Any) -> Any:
        """`call`, about this repository."""
        return self.call(action, method, self.repository, *words, **options)

    def map(self, work: Callable[[_T], _R], items: Iterable[_T]) -> list[_R]:
        """The same for many, in threads, in order."""
        jobs = list(items)
        if len(jobs) < 2:
            return [work(item) for item in jobs]
        with ThreadPoolExecutor(min(_THREADS, len(jobs))) as pool:
            return list(pool.map(work, jobs))

    def pages(self, action: str, path: str, **query: str) -> Iterator[dict[str, Any]]:
        """All results of a listing, as JSON: the SDK's models cost more than the request."""
        after = query.pop("after", "")
        while True:
            words = {**query, "amount": str(_PAGE), "after": after}
            page = json.loads(self._request("GET", path, words, action=action).data)
            yield from page["results"]
            if not page["pagination"]["has_more"]:
                return
            after = page["pagination"]["next_offset"]

    def listing(self, ref: str, prefix: str = "", *, delimiter: str = "") -> Iterator[Stat]:
        """Objects (and, with a delimiter, folders) at a ref under a prefix, with metadata."""
        return self.pages(
            "list objects",
            f"refs/{quote(ref, safe='')}/objects/ls",
            prefix=prefix,
            delimiter=delimiter,
            user_metadata="true",
        )

    def differing(self, left: str, right: str, prefix: str = "") -> Iterator[Stat]:
        """Paths that differ from `left` to `right`, with what `right` holds."""
        return self.pages(
            "compare two commits",
            f"refs/{quote(left, safe='')}/diff/{quote(right, safe='')}",
            prefix=prefix,
            type="two_dot",
            include_right_stats="true",
        )

    def download(self, ref: str, path: str, target: Path) -> None:
        """Write an object's bytes to a file, a chunk at a time."""
        action = f"read {path}"
        where = f"refs/{quote(ref, safe='')}/objects"
        response = self._request("GET", where, {"path": path}, action=action, preload=False)
        try:
            with translate_errors(action), target.open("wb") as file:
                for chunk in response.stream(_CHUNK):
                    file.write(chunk)
        except OSError as error:
            raise StorageError(
                f"Could not write {path} to the local cache: {error}.", hint="Free some space."
            ) from error
        finally:
            response.release_conn()

    def digest(self, ref: str, path: str, *, first: int | None = None) -> tuple[str, int]:
        """SHA-256 and length of an object's bytes, or of the `first` ones, kept nowhere."""
        action, hasher, size = f"read {path}", hashlib.sha256(), 0
        where = f"refs/{quote(ref, safe='')}/objects"
        headers = {} if first is None else {"Range": f"bytes=0-{first - 1}"}
        response = self._request(
            "GET", where, {"path": path}, action=action, headers=headers, preload=False
        )
        try:
            with translate_errors(action):
                for chunk in response.stream(_CHUNK):
                    hasher.update(chunk)
                    size += len(chunk)
        finally:
            response.release_conn()
        return hasher.hexdigest(), size

    def upload(self, branch: str, path: str, file: Path, oid: str) -> None:
        """Put a file at a path of a branch: straight to the storage where it signs addresses."""
        if self.storage.pre_sign_support:
            self._upload_presigned(branch, path, file, oid)
        else:
            with file.open("rb") as body:
                headers = {
                    "Content-Type": "application/octet-stream",
                    "Content-Length": str(file.stat().st_size),
                    f"x-lakefs-meta-{SHA256}": oid,
                }
                where = f"branches/{quote(branch, safe='')}/objects"
                self._request(
                    "POST",
                    where,
                    {"path": path},
                    action=f"store {path}",
                    body=body,
                    headers=headers,
                )

    def remote(self, commit_id: str, paths: Iterable[str]) -> Remote:
        """Objects as the S3 gateway serves them, beside the API and by the same keys."""
        settings = self._configuration
        return Remote(
            endpoint=settings.host.removesuffix("/api/v1"),
            addresses=tuple(f"{self.repository}/{commit_id}/{path}" for path in paths),
            access_key_id=settings.username,
            secret_access_key=settings.password,
        )

    def hook_output(self, run: str) -> str:
        """What the failed hooks of an action run wrote."""
        actions = self.api.actions_api
        hooks = actions.list_run_hooks(self.repository, run).results
        failures = [hook for hook in hooks if hook.status == "failed"]
        texts = [
            actions.get_run_hook_output(self.repository, run, hook.hook_run_id) for hook in failures
        ]
        return "\n".join(bytes(text).decode(errors="replace").strip() for text in texts)

    def _upload_presigned(self, branch: str, path: str, file: Path, oid: str) -> None:
        staging = self.api.staging_api
        place = self.ask(f"store {path}", staging.get_physical_address, branch, path, presign=True)
        with file.open("rb") as body, translate_errors(f"store {path}"):
            answer = self._pool.request(
                "PUT",
                place.presigned_url,
                body=body,
                headers={"Content-Length": str(file.stat().st_size)},
                retries=_ANY_METHOD,
            )
            _check(answer)
        with file.open("rb") as body:
            md5 = hashlib.file_digest(body, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
        metadata = lakefs_sdk.StagingMetadata(
            staging=place,
            checksum=answer.headers.get("ETag", md5).strip('"'),
            size_bytes=file.stat().st_size,
            user_metadata={SHA256: oid},
            content_type="application/octet-stream",
        )
        self.ask(f"store {path}", staging.link_physical_address, branch, path, metadata)

    @property
    def _pool(self) -> Any:
        return self.api.objects_api.api_client.rest_client.pool_manager

    def _request(
        self,
        method: str,
        path: str,
        query: Mapping[str, str],
        *,
        action: str,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
        preload: bool = True,
    ) -> Any:
        """A request past the SDK's models, with its connections, keys and errors."""
        settings = self._configuration
        auth = urllib3.make_headers(basic_auth=f"{settings.username}:{settings.password}")
        url = f"{settings.host}/repositories/{self.repository}/{path}?{urlencode(query)}"
        with translate_errors(action):
            answer = self._pool.request(
                method,
                url,
                body=body,
                headers={**auth, **(headers or {})},
                preload_content=preload,
                retries=_ANY_METHOD,
                timeout=urllib3.Timeout(connect=_PATIENCE[0], read=_PATIENCE[1]),
            )
            _check(answer)
        return answer


def _check(answer: Any) -> None:
    """Raise what the SDK would for an answer that is no success."""
    if not 200 <= answer.status <= 299:
        error = lakefs_sdk.ApiException(status=answer.status, reason=answer.reason)
        error.body = answer.data
        raise error
