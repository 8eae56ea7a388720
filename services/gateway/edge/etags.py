"""Versions as ETags: `W/"{type}-{id}-v{version}"`."""

import re
from collections.abc import Mapping
from typing import Any
from uuid import UUID

from libs import errors
from libs.contracts.resources import Resource

HEADER_CHARS_MAX = 1000
_TAG = re.compile(r'(?:W/)?"([^"]*)"')
_VERSION = re.compile(r"v(\d{1,10})")


def etag(kind: str, thing_id: object, version: object) -> str:
    """Return the ETag of a version."""
    return f'W/"{kind}-{thing_id}-v{version}"'


def tag_of(kind: str, resource: Mapping[str, Any]) -> str:
    """Return the ETag of an aggregate as JSON."""
    return etag(kind, resource["id"], resource["version"])


def is_known(if_none_match: str | None, current: str) -> bool:
    """Return whether the client has *current* already."""
    if not if_none_match:
        return False
    if if_none_match.strip() == "*":
        return True
    return _opaque(current)[0] in _opaque(if_none_match)


def expected_version(if_match: str | None, kind: str, thing_id: UUID) -> int | None:
    """Return the version that If-Match names; None when any will do (`*`) or none is named.

    Raises:
        PreconditionFailed: It names no version of this thing, or several.
    """
    if if_match is None or if_match.strip() == "*":
        return None
    tags = _opaque(if_match)
    prefix = f"{kind}-{thing_id}-"
    for tag in tags:
        version = _VERSION.fullmatch(tag.removeprefix(prefix))
        if tag.startswith(prefix) and version and len(tags) == 1:
            return int(version[1])
    raise errors.PreconditionFailed("If-Match names no version of this.")


def expected_if_there(if_match: str | None, kind: str, thing: Resource | None) -> int | None:
    """Return the version that If-Match names of something that is not known by its id.

    Raises:
        PreconditionFailed: It names no version of *thing*, or there is none.
    """
    if if_match is None:
        return None
    if thing is None:
        raise errors.PreconditionFailed("If-Match names no version of this.")
    return expected_version(if_match, kind, thing.id)


def _opaque(header: str) -> list[str]:
    return _TAG.findall(header[:HEADER_CHARS_MAX]) or [""]
