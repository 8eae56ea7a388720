"""The OpenAPI 3.1 document, made from the routes themselves."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from services.gateway.access import permissions
from services.gateway.http.answers import (
    PROBLEM,
    REF,
    content_of,
    raw_content_of,
    responses_of,
    shared_headers,
    shared_responses,
)
from services.gateway.http.field_descriptions import describe
from services.gateway.http.idempotency import KEY_CHARS_MAX
from services.gateway.http.operation_ids import head_id, operation_id
from services.gateway.http.route import JSON, AnyRoute

VERSION = "1.0.0"
_DESCRIPTION = """\
People and AI write novels, screenplays and notes together, live.

Ids are UUIDv7, times UTC in RFC 3339. Reads carry an ETag of the form `W/"{type}-{id}-v{n}"`;
writes name the version they mean by `If-Match` or `baseVersion`. Every authenticated POST takes an
`Idempotency-Key`: sent twice, it happens once. Errors are `application/problem+json` with a
stable `code` and a `traceId`. A thing in a project that you are no member of answers 404.
"""

_KEY = {"type": "string", "minLength": 1, "maxLength": KEY_CHARS_MAX, "pattern": "^[ -~]+$"}


def openapi(routes: Iterable[AnyRoute]) -> dict[str, Any]:
    """Return the document of *routes*."""
    routes = list(routes)
    models = {model for route in routes for model in _models(route)}
    ordered = sorted(models, key=lambda model: model.__name__)
    _, schemas = models_json_schema(
        [(model, _mode(model, routes)) for model in ordered], by_alias=True, ref_template=REF
    )
    models_by_name = {**schemas.get("$defs", {}), "Problem": PROBLEM}
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route)
        if route.head:
            paths[route.path]["head"] = head_of(_operation(route))
    operations = (operation for each in paths.values() for operation in each.values())
    describe(models_by_name, (each for one in operations for each in one["parameters"]))
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Scriptorium",
            "version": VERSION,
            "description": _DESCRIPTION,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "tags": [{"name": tag} for tag in dict.fromkeys(route.tag for route in routes)],
        "paths": paths,
        "components": {
            "schemas": models_by_name,
            "responses": shared_responses(routes),
            "headers": shared_headers(),
            "securitySchemes": {
                "token": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "An access token, or a personal access token (`scp_...`).",
                }
            },
        },
    }


def _models(route: AnyRoute) -> Iterable[type[BaseModel]]:
    if route.has_body and issubclass(route.body, BaseModel):
        yield route.body
    if route.body_model:
        yield route.body_model
    if route.answer:
        yield route.answer
    if route.waits:
        yield route.waits


def _mode(model: type[BaseModel], routes: Iterable[AnyRoute]) -> Any:
    return (
        "serialization"
        if any(model in (route.answer, route.waits) for route in routes)
        else "validation"
    )


def _operation(route: AnyRoute) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": operation_id(route.method, route.path),
        "summary": route.summary,
        "tags": [route.tag],
        "parameters": _parameters(route),
        "responses": responses_of(route),
    }
    notes = [route.description] if route.description else []
    if route.action and route.place:
        roles = ", ".join(sorted(permissions.MATRIX[route.action]))
        notes.append(f"Permission `{route.action}`: {roles}.")
    if route.action:
        notes.append(f"Personal access tokens need `{permissions.scope_of(route.action)}`.")
    if notes:
        operation["description"] = " ".join(notes)
    if route.has_body:
        operation["requestBody"] = _request_body(route)
    operation["security"] = [] if route.anonymous else [{"token": []}]
    return operation


def head_of(operation: dict[str, Any]) -> dict[str, Any]:
    """Return the HEAD of a GET: the same answers without their bodies."""
    words = {
        "operationId": head_id(operation["operationId"]),
        "summary": f"{operation['summary']}: only the headers",
    }
    answers = {
        status: {name: value for name, value in answer.items() if name != "content"}
        for status, answer in operation["responses"].items()
    }
    return {**operation, **words, "responses": answers}


def _parameters(route: AnyRoute) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = [
        {
            "name": name,
            "in": "path",
            "required": True,
            "schema": _member(route, name),
        }
        for name in re.findall(r"{(\w+)}", route.path)
    ]
    whole = route.query.model_json_schema(by_alias=True)
    for name, schema in whole.get("properties", {}).items():
        plain = _plain(schema, whole.get("$defs", {}))
        note = plain.pop("description", None)
        parameter = {"name": name, "in": "query", "required": False, "schema": plain}
        found.append(parameter | ({"description": note} if note else {}))
    if route.idempotent_by_key:
        found.append(_header("Idempotency-Key", "Sent twice, it happens once.", _KEY))
    if route.needs_version or "PRECONDITION_FAILED" in route.problems:
        found.append(
            _header("If-Match", "The ETag of the version that you mean; of several one must be.")
        )
    if route.etag and route.method == "GET":
        found.append(_header("If-None-Match", "The ETag of the version that you have."))
    return found


def _member(route: AnyRoute, name: str) -> dict[str, Any]:
    if pattern := route.texts.get(name):
        return {"type": "string", "pattern": f"^{pattern}$"}
    return {"type": "string", "format": "uuid"}


def _plain(schema: dict[str, Any], models: Mapping[str, Any]) -> dict[str, Any]:
    """Return a parameter's schema: one that may be absent need not be null as well."""
    options = [option for option in schema.get("anyOf", []) if option != {"type": "null"}]
    plain = {key: value for key, value in schema.items() if key not in ("anyOf", "title")}
    if len(options) == 1:
        plain = {**options[0], **plain}
    if "$ref" in plain:
        named = models[plain.pop("$ref").rpartition("/")[2]]
        plain = {**{key: value for key, value in named.items() if key != "title"}, **plain}
    if plain.get("default", 0) is None:
        del plain["default"]
    return plain


def _header(name: str, description: str, schema: dict[str, Any] | None = None) -> dict[str, Any]:
    return {
        "name": name,
        "in": "header",
        "required": False,
        "description": description,
        "schema": schema or {"type": "string"},
    }


def _request_body(route: AnyRoute) -> dict[str, Any]:
    content: dict[str, Any] = {}
    for media_type in route.media_types:
        if media_type != JSON:
            content[media_type] = raw_content_of(route, media_type)
        elif issubclass(route.body, BaseModel):
            content[JSON] = content_of(route.body)
        elif route.body_model:
            content[JSON] = content_of(route.body_model)
    return {"required": True, "content": content}
