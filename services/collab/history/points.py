"""Reading the parameter `at`: a moment, a version of the log, a named snapshot, or now. No I/O."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from libs import errors

_VERSION = re.compile(r"seq:(\d{1,18})")
_SNAPSHOT = re.compile(r"snapshot:([0-9a-fA-F-]{32,36})")
_TIME = re.compile(
    r"\d{4}-\d{2}-\d{2}[Tt ]\d{2}:\d{2}:\d{2}(?:\.\d{1,9})?(?:[Zz]|[+ -]\d{2}:\d{2})"
)


@dataclass(frozen=True, slots=True)
class Version:
    """A version by its number in the log; 0 is the empty document."""

    seq: int


@dataclass(frozen=True, slots=True)
class Moment:
    """The version that was newest then."""

    time: datetime


@dataclass(frozen=True, slots=True)
class Named:
    """A named snapshot."""

    id: UUID


type Point = Version | Moment | Named | None
"""None is now."""


def parse(at: str | None, field: str = "at") -> Point:
    """Read what a client wrote.

    Raises:
        Invalid: It is no point in time; *field* is named.
    """
    if at is None:
        return None
    if found := _VERSION.fullmatch(at):
        return Version(int(found[1]))
    try:
        if found := _SNAPSHOT.fullmatch(at):
            return Named(UUID(found[1]))
        if _TIME.fullmatch(at):
            # A plus sign that was not escaped in a query arrives as a space.
            return Moment(datetime.fromisoformat(_plus(at.upper())).astimezone(UTC))
    except (ValueError, OverflowError):
        pass
    raise errors.Invalid(
        "Name a time (RFC 3339), seq:<version> or snapshot:<id>.",
        errors=[{"field": field, "detail": "is neither a time nor a version nor a snapshot"}],
    )


def _plus(time: str) -> str:
    return f"{time[:-6]}+{time[-5:]}" if time[-6] == " " else time
