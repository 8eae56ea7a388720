"""Versions as ETags: `W/"{type}-{id}-v{version}"`."""

import re
from collections.abc import Mapping
from typing import Any
from uuid import UUID

from libs import errors
from libs.contracts.events.resources import Resource
from libs.contracts.versions import Expected

HEADER_CHARS_MAX = 64 * 1024
"""Of one that lists tags; what comes after that is not read."""
_TAG = re.compile(r'(?:W/)?"([^"]*)"')
_VERSION = r"v([0-9]{1,18})"


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


def lists(if_match: str | None, tag: str) -> bool:
    """Return whether If-Match has *tag* among those that it names; `*` names none."""
    return if_match is not None and _opaque(tag)[0] in _opaque(if_match)


def expected_version(if_match: str | None, kind: str, thing_id: UUID) -> Expected:
    """Return the version that If-Match names; None when any will do (`*`) or none is named.

    Several, when it names several: it holds when the thing is at one of them (RFC 9110, 13.1.1).

    Raises:
        PreconditionFailed: It names no version of this thing.
    """
    if if_match is None or if_match.strip() == "*":
        return None
    return _one_or_several(_versions(if_match, re.escape(f"{kind}-{thing_id}-")))


def expected_seqs(if_match: str | None, document_id: UUID) -> tuple[int, ...] | None:
    """Return the places in a document's log that If-Match names by tags of its content.

    A tag of any format counts: they all tell of the same text.

    Raises:
        PreconditionFailed: It names no version of this document's content.
    """
    if if_match is None or if_match.strip() == "*":
        return None
    return _versions(if_match, rf"content-{document_id}-[a-z]{{1,20}}-")


def path_versions(if_match: str | None) -> tuple[int, ...] | None:
    """Return the versions of a file's path that If-Match names; as `expected_version`."""
    if if_match is None or if_match.strip() == "*":
        return None
    return _versions(if_match, "path-")


def expected_if_there(if_match: str | None, kind: str, thing: Resource | None) -> Expected:
    """Return the version that If-Match names of something that is not known by its id.

    Raises:
        PreconditionFailed: It names no version of *thing*, or there is none.
    """
    if if_match is None:
        return None
    if thing is None:
        raise errors.PreconditionFailed("If-Match names no version of this.")
    return expected_version(if_match, kind, thing.id)


def _versions(if_match: str, prefix: str) -> tuple[int, ...]:
    pattern = re.compile(prefix + _VERSION)
    named = {int(found[1]) for tag in _opaque(if_match) if (found := pattern.fullmatch(tag))}
    if not named:
        raise errors.PreconditionFailed("If-Match names no version of this.")
    return tuple(sorted(named))


def _one_or_several(versions: tuple[int, ...]) -> Expected:
    return versions[0] if len(versions) == 1 else versions


def _opaque(header: str) -> list[str]:
    return _TAG.findall(header[:HEADER_CHARS_MAX]) or [""]
