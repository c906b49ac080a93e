"""The app of a server: every resource, each endpoint behind the right that it names."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING, Any

from fastapi import FastAPI, Request, Response
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp

from datahub import __version__
from datahub.core.errors import DatahubError
from datahub.web import accounts, commits, datasets, public, refs, review
from datahub.web.asking import ANYBODY, SERVER_ADMIN, Asks, Place
from datahub.web.guard import Guarded, bug
from datahub.web.metrics import MEDIA_TYPE, Metrics
from datahub.web.problems import MEDIA_TYPE as PROBLEM
from datahub.web.problems import NoResource, json_response, problem
from datahub.web.resource import V1, Endpoint, Resource
from datahub.web.shield import Shield

if TYPE_CHECKING:
    from datahub.hub import Hub

LARGEST = 8 * 2**20  # bytes of a body; what is larger comes in parts
LOOPBACK = ("127.0.0.1", "localhost", "[::1]")
RESOURCES = (
    public.public,
    accounts.repositories,
    accounts.tokens,
    accounts.members,
    refs.branches,
    refs.tags,
    refs.refs,
    commits.commits,
    commits.compare,
    commits.verdicts,
    datasets.datasets,
    datasets.rows,
    datasets.lfs,
    review.review,
)


def place_of(server: Hub, hubs: Collection[Hub], **options: Any) -> Place:
    """What a server serves: repositories by their names. `server` keeps the accounts."""
    return Place(server, {hub.repository: hub for hub in hubs}, **options)


def create_app(place: Place, *, hosts: Collection[str] = LOOPBACK) -> ASGIApp:
    """The app, behind its shield. `hosts` are the host names that it goes by."""
    api = create_api(place)
    return Shield(api, hosts=hosts, largest=LARGEST, seen=api.state.metrics.seen)


def create_api(place: Place) -> FastAPI:
    """The same without the shield."""
    api = FastAPI(
        title="datahub",
        version=__version__,
        summary="Label data, review what is doubted, merge through gates.",
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        redirect_slashes=False,
    )
    api.state.place, api.state.metrics = place, Metrics()
    api.router.route_class = Guarded
    for resource in (*RESOURCES, _own(api)):
        for endpoint in resource.endpoints:
            _add(api, resource, endpoint)
    api.add_exception_handler(HTTPException, _no_resource)
    api.add_exception_handler(DatahubError, _told)
    api.add_exception_handler(Exception, _failed)
    return api


def _own(api: FastAPI) -> Resource:
    """What the app says of itself."""
    own = Resource("server", "")

    @own.get(f"{V1}/openapi.json", right=ANYBODY, result=None)
    def get_openapi(request: Request) -> Response:
        """This document."""
        return json_response(document(api))

    @own.get("/metrics", right=SERVER_ADMIN, result=None, media=("text/plain",))
    def get_metrics(ask: Asks) -> Response:
        """Figures for Prometheus."""
        return Response(api.state.metrics.text(), media_type=MEDIA_TYPE)

    return own


def document(api: FastAPI) -> dict[str, Any]:
    """The OpenAPI document, with the ways to say who asks."""
    schema = api.openapi()
    schema.setdefault("components", {})["securitySchemes"] = {
        "token": {"type": "http", "scheme": "bearer", "bearerFormat": "dh_<id>_<secret>"},
        "session": {"type": "apiKey", "in": "cookie", "name": "datahub_session"},
    }
    return schema


def _add(api: FastAPI, resource: Resource, endpoint: Endpoint) -> None:
    is_public = endpoint.right == ANYBODY
    extra: dict[str, Any] = {"x-datahub-right": endpoint.right}
    if endpoint.is_shown_once:
        extra["x-datahub-shown-once"] = True
    if not is_public:
        extra["security"] = [{"token": []}, {"session": []}]
    if endpoint.method != "GET" and not is_public:
        extra["parameters"] = list(_headers(endpoint.method))
    responses: dict[int | str, dict[str, Any]] = {
        "default": {
            "description": "A problem (RFC 9457).",
            "content": {
                PROBLEM: {"schema": {"$ref": "#/components/schemas/HTTPProblem"}},
            },
        }
    }
    if endpoint.media:
        responses[endpoint.status] = {"content": {media: {} for media in endpoint.media}}
    api.router.add_api_route(
        endpoint.path,
        endpoint.call,
        methods=[endpoint.method],
        response_model=endpoint.result,
        status_code=endpoint.status,
        tags=[resource.name],
        operation_id=endpoint.call.__name__,
        responses=responses,
        openapi_extra=extra,
        route_class_override=APIRoute if is_public else Guarded,
    )


def _headers(method: str) -> Iterator[dict[str, Any]]:
    """Headers that every write takes."""
    names = {"If-Match": "The commit that the ref must be at."}
    if method == "POST":
        names["Idempotency-Key"] = "Of this request: sent again, it is answered again."
    for name, text in names.items():
        yield {
            "name": name,
            "in": "header",
            "required": False,
            "description": text,
            "schema": {"type": "string"},
        }


def _no_resource(request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 404
    what = NoResource(
        f"There is no {request.method} {request.url.path}.",
        hint=f"GET {V1}/openapi.json lists all that there is.",
    )
    return problem(what, status=status)


def _told(request: Request, error: Exception) -> Response:
    assert isinstance(error, DatahubError)
    return problem(error)


def _failed(request: Request, error: Exception) -> Response:
    return problem(bug(error, request))
