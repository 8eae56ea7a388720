"""Reading what a client sent: bounded first, parsed after."""

import asyncio
import re
from collections.abc import Mapping
from typing import Any
from uuid import UUID

from litestar import Request
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from libs import errors

BODY_WAIT_S = 30.0
PROBLEMS_MAX = 20
"""How many mistakes of one request are reported."""

_LINE_AND_COLUMN = re.compile(
    r"(?P<what>.*) at line (?P<line>\d+) column (?P<column>\d+)", re.DOTALL
)


async def read_body(request: Request[Any, Any, Any], bytes_max: int) -> bytes:
    """Return the body.

    Raises:
        TooLarge: It is, or says it will be, longer than *bytes_max*; no more was read.
        Invalid: It did not arrive whole within BODY_WAIT_S.
    """
    declared = request.headers.get("content-length", "")
    if declared.isdecimal() and int(declared[:20]) > bytes_max:
        raise errors.TooLarge(limitBytes=bytes_max)
    body = bytearray()
    more = True
    deadline = asyncio.get_running_loop().time() + BODY_WAIT_S
    while more:
        try:
            async with asyncio.timeout_at(deadline):
                message = await request.receive()
        except TimeoutError:
            raise errors.Invalid("The body did not arrive in time.") from None
        if message["type"] == "http.disconnect":
            raise errors.Invalid("The request ended before its body.")
        body += message.get("body", b"")
        more = message.get("more_body", False)
        if len(body) > bytes_max:
            raise errors.TooLarge(limitBytes=bytes_max)
    return bytes(body)


def media_type(request: Request[Any, Any, Any]) -> str:
    """Return the media type of the body in lower case, without parameters."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def require_json(request: Request[Any, Any, Any]) -> None:
    """Return when the body is, or may be taken for, JSON.

    Raises:
        Unsupported: It says that it is something else.
    """
    given = media_type(request)
    if given and given != "application/json" and not given.endswith("+json"):
        raise errors.Unsupported("Send the body as application/json.")
    require_plain(request)


def require_plain(request: Request[Any, Any, Any]) -> None:
    """Return when the body comes as it is.

    Raises:
        Unsupported: It is compressed on its way.
    """
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        raise errors.Unsupported("Send the body without a content encoding.")


def parse_body[M: BaseModel](model: type[M], raw: bytes) -> M:
    """Read JSON as *model*.

    Raises:
        Invalid: It is not; each mistake is named with its field.
        Unknown: It has a member, or names a type, that is not known here.
    """
    try:
        return model.model_validate_json(raw)
    except ValidationError as error:
        if error.errors(include_url=False, include_input=False)[0]["type"] == "json_invalid":
            raise _no_json(raw, error) from None
        raise invalid("body", error) from None


def _no_json(raw: bytes, error: ValidationError) -> errors.Invalid:
    """The mistake with its place; the parser counts bytes, clients UTF-16 code units."""
    said = error.errors(include_url=False, include_input=False)[0]["msg"]
    found = _LINE_AND_COLUMN.fullmatch(said)
    if found is None:
        return invalid("body", error)
    line = int(found["line"])
    before = raw.split(b"\n", line)[line - 1][: max(int(found["column"]) - 1, 0)]
    units = len(before.decode(errors="replace").encode("utf-16-le")) // 2
    mistake = {"field": "body", "detail": found["what"]}
    return errors.Invalid(errors=[mistake], at=f"line {line}, column {units + 1}")


def parse_query[M: BaseModel](model: type[M], given: Mapping[str, str]) -> M:
    """Read query parameters as *model*.

    Raises:
        Invalid: One of them has not the required form.
    """
    try:
        return model.model_validate(dict(given))
    except ValidationError as error:
        raise invalid("query", error) from None


def parse_path(
    given: Mapping[str, Any], texts: Mapping[str, str]
) -> tuple[dict[str, UUID], dict[str, str]]:
    """Read the members of a path: UUIDs, and what *texts* has patterns for.

    Raises:
        NotFound: One is not of that form, so there can be no such thing.
    """
    try:
        ids = {name: UUID(value) for name, value in given.items() if name not in texts}
    except ValueError:
        raise errors.NotFound from None
    if not all(re.fullmatch(pattern, given[name]) for name, pattern in texts.items()):
        raise errors.NotFound
    return ids, {name: given[name] for name in texts}


def invalid(where: str, error: ValidationError) -> errors.Invalid:
    """Return the mistakes of *error*, each with its field; what was sent is not repeated."""
    found = error.errors(include_url=False, include_context=False, include_input=False)
    mistakes = [
        {
            "field": ".".join((where, *(str(part) for part in mistake["loc"]))),
            "detail": mistake["msg"],
        }
        for mistake in found[:PROBLEMS_MAX]
    ]
    unknown = where == "body" and any(_is_unknown(mistake) for mistake in found)
    return (errors.Unknown if unknown else errors.Invalid)(errors=mistakes)


def _is_unknown(mistake: ErrorDetails) -> bool:
    if mistake["type"] in ("enum", "literal_error"):
        return mistake["loc"][-1:] == ("type",)
    return mistake["type"] == "extra_forbidden"
