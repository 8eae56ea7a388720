"""Responses of routes for the OpenAPI document: bodies, headers, and every problem."""

from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Any

from pydantic import BaseModel

from services.gateway.http.examples import example
from services.gateway.http.problems import MEDIA_TYPE, STATUS, TYPE_PREFIX
from services.gateway.http.route import JSON, AnyRoute

REF = "#/components/schemas/{model}"
_TEXT: Mapping[str, str] = {
    "ETag": "The version that this is.",
    "RateLimit-Limit": "Requests allowed in this minute.",
    "RateLimit-Remaining": "Requests left in this minute.",
    "RateLimit-Reset": "Seconds until the minute ends.",
    "Retry-After": "Seconds to wait before trying again.",
    "Location": "Where what was created is.",
    "X-Request-Id": "The id you sent, or the trace id.",
}
_LIMITS = ("RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset")

PROBLEM: dict[str, Any] = {
    "type": "object",
    "description": "RFC 9457, with a stable `code` and the trace that finds it in the logs.",
    "required": ["type", "title", "status", "detail", "instance", "code", "traceId"],
    "properties": {
        "type": {"type": "string", "format": "uri"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "instance": {"type": "string"},
        "code": {"type": "string", "enum": sorted(STATUS)},
        "traceId": {"type": "string", "pattern": "^[0-9a-f]{32}$"},
    },
    "additionalProperties": True,
}


def content_of(model: type[BaseModel]) -> dict[str, Any]:
    """Return a JSON body: its schema and an example."""
    return {
        "schema": {"$ref": REF.format(model=model.__name__)},
        "example": example(model),
    }


def raw_content_of(route: AnyRoute, media_type: str) -> dict[str, Any]:
    """Return a body that no model describes: any JSON, or a string; with the route's examples."""
    content: dict[str, Any] = {"schema": {} if media_type.endswith("json") else {"type": "string"}}
    if examples := route.examples.get(media_type):
        content["examples"] = {name: {"value": value} for name, value in examples.items()}
    return content


def responses_of(route: AnyRoute) -> dict[str, Any]:
    """Return every answer of *route*, by status."""
    headers = ["X-Request-Id", *(_LIMITS if route.cost else ())]
    good = [*headers, *(["ETag"] if route.etag else [])]
    if route.status == 201 and not route.anonymous:
        good.append("Location")
    success: dict[str, Any] = {"description": "Done.", "headers": _headers(good)}
    for name, text in route.answer_headers.items():
        success["headers"][name] = {"description": text, "schema": {"type": "string"}}
    if route.answer:
        success["content"] = {JSON: content_of(route.answer)}
    elif route.answer_media_types != (JSON,):
        success["content"] = {
            media_type: raw_content_of(route, media_type) for media_type in route.answer_media_types
        }
    elif route.status != 204:
        success["content"] = {JSON: {"schema": {"type": "object"}}}
    responses = {str(status): success for status in (route.status, *route.also)}
    if route.waits:
        responses["202"] = {
            "description": "Not yet: ask again after Retry-After.",
            "headers": _headers([*headers, "Retry-After"]),
            "content": {JSON: content_of(route.waits)},
        }
    if route.etag and route.method == "GET":
        responses["304"] = {"description": "You have it.", "headers": _headers(["ETag"])}
    for status, codes in _codes_by_status(route).items():
        name = _response_name(status, codes)
        responses[str(status)] = {"$ref": f"#/components/responses/{name}"}
    return responses


def problem_codes(route: AnyRoute) -> list[str]:
    """Return every code that *route* may answer with."""
    codes = list(route.problems)
    if route.tag != "Public":
        codes += ["VALIDATION_FAILED", "INTERNAL", "UNAVAILABLE", "DEADLINE_EXCEEDED"]
        codes.append("STORAGE_FULL")
    if route.cost:
        codes.append("RATE_LIMITED")
    if not route.anonymous:
        codes += ["UNAUTHENTICATED", "FORBIDDEN"]
    if route.path.count("{"):
        codes.append("NOT_FOUND")
    if route.place and route.method != "GET":
        codes.append("PROJECT_ARCHIVED")
    if route.has_body:
        codes += ["TOO_LARGE", "UNSUPPORTED_FORMAT", "UNKNOWN_NAME"]
    if route.idempotent_by_key:
        codes += ["IDEMPOTENCY_KEY_REUSED", "CONCURRENCY_CONFLICT"]
    if route.needs_version:
        codes += ["PRECONDITION_FAILED", "PRECONDITION_REQUIRED"]
    return list(dict.fromkeys(codes))


def shared_responses(routes: Iterable[AnyRoute]) -> dict[str, Any]:
    """Return each answer that some routes have in common, by its name."""
    return {
        _response_name(status, codes): _problem_response(status, codes, limited=bool(route.cost))
        for route in routes
        for status, codes in _codes_by_status(route).items()
    }


def _codes_by_status(route: AnyRoute) -> dict[int, list[str]]:
    found: dict[int, list[str]] = {}
    for code in problem_codes(route):
        found.setdefault(STATUS[code], []).append(code)
    return dict(sorted(found.items()))


def _response_name(status: int, codes: list[str]) -> str:
    return "-".join((str(status), *sorted(codes)))


def _problem_response(status: int, codes: list[str], *, limited: bool) -> dict[str, Any]:
    names = ["X-Request-Id", *(_LIMITS if limited else ())]
    if status in (429, 503):
        names.append("Retry-After")
    sample = {
        "type": TYPE_PREFIX + codes[0].lower().replace("_", "-"),
        "title": HTTPStatus(status).phrase,
        "status": status,
        "code": codes[0],
    }
    return {
        "description": ", ".join(f"`{code}`" for code in sorted(codes)),
        "headers": _headers(names),
        "content": {
            MEDIA_TYPE: {
                "schema": {"$ref": REF.format(model="Problem")},
                "example": {**_SAMPLE, **sample},
            }
        },
    }


_SAMPLE: dict[str, Any] = {
    "detail": "One sentence for the person who reads it.",
    "instance": "/api/scenes/0192f0c1-2f9a-7c3e-8f10-1a2b3c4d5e6f",
    "traceId": "4bf92f3577b34da6a3ce929d0e0e4736",
}


def _headers(names: Iterable[str]) -> dict[str, Any]:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}


def shared_headers() -> dict[str, Any]:
    """Return the headers that answers refer to, by name."""
    return {
        name: {"description": text, "schema": {"type": "string"}} for name, text in _TEXT.items()
    }
