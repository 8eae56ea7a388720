"""From code to HTTP status, in one table; every error leaves as RFC 9457 problem+json.

`python -m services.gateway.http.problems > docs/errors.md` prints the table.
"""

import sys
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import structlog
from litestar import Request, Response
from litestar.exceptions import HTTPException
from opentelemetry import trace

from libs import errors
from libs.errors import AppError
from libs.postgres import is_full
from libs.process.protocol import HEAD_BYTES_MAX, HEAD_WAIT_S, HEADERS_MAX

log = structlog.get_logger(__name__)

MEDIA_TYPE = "application/problem+json"
TYPE_PREFIX = "https://scriptorium.dev/problems/"
RETRY_AFTER_S = 1

STATUS: Mapping[str, int] = {
    "VALIDATION_FAILED": 400,
    "RECENT_SNAPSHOT": 400,
    "PACKAGE_DAMAGED": 400,
    "PEOPLE_UNKNOWN": 400,
    "UNAUTHENTICATED": 401,
    "REFRESH_TOKEN_REUSED": 401,
    "FORBIDDEN": 403,
    "NOT_FOUND": 404,
    "ANCHOR_NOT_FOUND": 404,
    "METHOD_NOT_ALLOWED": 405,
    "CONFLICT": 409,
    "CONCURRENCY_CONFLICT": 409,
    "SLUG_TAKEN": 409,
    "ALREADY_EXISTS": 409,
    "RELATION_CYCLE": 409,
    "EMAIL_TAKEN": 409,
    "LAST_OWNER": 409,
    "PROJECT_ARCHIVED": 409,
    "SCHEMA_OUTDATED": 409,
    "SCHEMA_LOWERED": 409,
    "NOT_JOINED": 409,
    "NOTHING_WRITTEN": 409,
    "NAME_TAKEN": 409,
    "LIMIT_REACHED": 409,
    "ANCHOR_AMBIGUOUS": 409,
    "BRANCH_CONFLICT": 409,
    "BRANCH_CLOSED": 409,
    "GONE": 410,
    "BLOB_UNAVAILABLE": 410,
    "PRECONDITION_FAILED": 412,
    "TOO_LARGE": 413,
    "UNSUPPORTED_FORMAT": 415,
    "RANGE_NOT_SATISFIABLE": 416,
    "CONTENT_MISMATCH": 422,
    "UNKNOWN_NAME": 422,
    "IDEMPOTENCY_KEY_REUSED": 422,
    "UPLOAD_UNFINISHED": 423,
    "PRECONDITION_REQUIRED": 428,
    "RATE_LIMITED": 429,
    "BLOB_DAMAGED": 500,
    "INTERNAL": 500,
    "UNSUPPORTED": 501,
    "UNAVAILABLE": 503,
    "DEADLINE_EXCEEDED": 503,
    "QUOTA_EXCEEDED": 507,
    "STORAGE_FULL": 507,
}
"""A code of `libs.errors` that is missing here is answered as 500: a test finds it first."""

# Refusals of Litestar itself, by status.
_OF_FRAMEWORK: Mapping[int, tuple[str, str]] = {
    400: ("VALIDATION_FAILED", "The request could not be read."),
    404: ("NOT_FOUND", "There is no such address."),
    405: ("METHOD_NOT_ALLOWED", "This address does not take that method."),
    413: ("TOO_LARGE", "The request body is larger than the limit."),
    415: ("UNSUPPORTED_FORMAT", "This media type is not known here."),
}
_RESERVED = frozenset({"type", "title", "status", "detail", "instance", "code", "traceId"})


def trace_id() -> str:
    """Return the id of the current trace, which finds this request in every service's logs."""
    return f"{trace.get_current_span().get_span_context().trace_id:032x}"


def problem(code: str, detail: str, data: Mapping[str, Any], *, instance: str) -> dict[str, Any]:
    """Return the problem document of a failure."""
    status = STATUS.get(code, 500)
    extra = {name: value for name, value in data.items() if name not in _RESERVED}
    return {
        "type": TYPE_PREFIX + code.lower().replace("_", "-"),
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        "instance": instance,
        "code": code,
        "traceId": trace_id(),
        **extra,
    }


def answer_failure(request: Request[Any, Any, Any], failure: Exception) -> Response[dict[str, Any]]:
    """Turn any exception of a request into its answer.

    What was not raised on purpose is logged here, once, and answered without its text.
    """
    headers: dict[str, str] = {}
    data: Mapping[str, Any] = {}
    if is_full(failure):
        failure = errors.StorageFull()
    if isinstance(failure, AppError):
        code, detail, data = failure.code, failure.detail, failure.data
    elif isinstance(failure, HTTPException) and failure.status_code in _OF_FRAMEWORK:
        code, detail = _OF_FRAMEWORK[failure.status_code]
        allow = (failure.headers or {}).get("allow")
        headers = {"Allow": allow} if allow else {}
    else:
        log.error("request failed", exc_info=failure)
        code, detail = errors.Internal.code, errors.Internal().detail
    document = problem(code, detail, data, instance=request.scope["path"])
    status = document["status"]
    if status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    if status == 416 and "size" in data:
        headers["Content-Range"] = f"bytes */{data['size']}"
    if status == 503 or "retryAfterS" in data:
        headers["Retry-After"] = str(data.get("retryAfterS", RETRY_AFTER_S))
    return Response(document, status_code=status, media_type=MEDIA_TYPE, headers=headers)


def document() -> str:
    """Return the table of codes as Markdown."""
    lines = [
        "# Errors",
        "",
        "Generated from `services/gateway/http/problems.py` and `libs/errors`; change it there.",
        "",
        "Every error is `application/problem+json` (RFC 9457) with the members `type`, `title`,",
        "`status`, `detail`, `instance`, `code`, `traceId` and what belongs to its code. The",
        "`code` never changes; `detail` is for people. Refused input names each mistake in",
        "`errors`, a list of `{field, detail}`. A 429 and a 503 carry `Retry-After`.",
        "",
        "Two answers come without a body, before a request is known: 431 when its line and",
        f"headers are longer than {HEAD_BYTES_MAX >> 10} KiB or there are more than {HEADERS_MAX}",
        f"headers, 408 when they take longer than {HEAD_WAIT_S:.0f} s. The connection is closed.",
        "",
        "| code | status | meaning |",
        "|---|---|---|",
    ]
    for code, status in STATUS.items():
        known = errors.BY_CODE.get(code)
        meaning = known().detail if known else _OF_FRAMEWORK[status][1]
        lines.append(f"| `{code}` | {status} | {meaning} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.stdout.write(document())
