r"""The log as values: drafts become chained events, and events fold into rows.

Checksum of an event, as 64 lower-case hexadecimal digits:

    SHA-256(previous + canonical)

`previous` is the checksum of the same aggregate's preceding event as 64 ASCII characters, nothing
for its first. `canonical` is the event without `checksum` as UTF-8 JSON: camelCase members sorted
by code point at every depth, no white space, only `"`, `\` and control characters escaped; ids in
lower-case hyphenated form, `timestamp` in UTC with six decimals and `Z`; a number with no fraction
is written as an integer, the shortest decimal that reads back as the same double written out in
full, because jsonb does not tell 1 from 1.0 or 1e22 from its 23 digits.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, NamedTuple, cast
from uuid import UUID

from libs import errors
from libs.contracts.events.event import DATA_BYTES_MAX, Event, Source
from libs.contracts.wire import camel
from services.events.model.actions import CHANGED, PURGED, actions
from services.events.model.aggregate import Aggregate, Row

BIRTHS = frozenset({"created", "added"})
"""What happens first to an aggregate."""


@dataclass(frozen=True, slots=True)
class Draft:
    """Something that will have happened to one aggregate."""

    about: Aggregate
    aggregate_id: UUID
    action: str
    data: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Head:
    """The end of an aggregate's chain; version 0 before its first event."""

    version: int = 0
    checksum: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cause:
    """What the events of one user action have in common."""

    project_id: UUID
    user_id: UUID
    bundle_id: UUID
    correlation_id: str
    causation_id: UUID | None = None
    source: Source = Source.API
    metadata: Mapping[str, Any] = field(default_factory=dict[str, Any])


_ENCODER = json.JSONEncoder(
    sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
)


_AS_THEY_ARE = frozenset({str, int, bool})


def canonical(value: Any) -> bytes:
    """Encode JSON in the one form that checksums are made of."""
    return _ENCODER.encode(_plain(value)).encode()


def _plain(value: Any) -> Any:
    # Every event comes by here, and most values are of these types.
    if value is None or type(value) in _AS_THEY_ARE:
        return value
    match value:
        case dict():
            return {k: _plain(v) for k, v in cast("dict[str, Any]", value).items()}
        case list():
            return [_plain(each) for each in cast("list[Any]", value)]
        case float() if value.is_integer():
            # By its shortest form, which is what jsonb reads, and not by its binary value.
            return int(Decimal(repr(value)))
        case _:
            return value


def content(event: Event) -> dict[str, Any]:
    """Return what an event's checksum covers."""
    return {
        "aggregateId": str(event.aggregate_id),
        "aggregateType": event.aggregate_type,
        "bundleId": str(event.bundle_id),
        "causationId": str(event.causation_id) if event.causation_id else None,
        "correlationId": event.correlation_id,
        "data": event.data,
        "eventType": event.event_type,
        "id": str(event.id),
        "metadata": event.metadata,
        "projectId": str(event.project_id),
        "source": event.source.value,
        "timestamp": wire_time(event.timestamp),
        "userId": str(event.user_id),
        "version": event.version,
    }


def wire_time(moment: datetime) -> str:
    """Write a time in RFC 3339, UTC, always with microseconds."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds").removesuffix("+00:00") + "Z"


def checksum(previous: str, event: Event) -> str:
    """Return the checksum of *event* after an event whose checksum is *previous*."""
    return _digest(previous, written(content(event)))


def written(said: Mapping[str, Any]) -> bytes:
    """Return `canonical` of a `content`, knowing that only data and metadata hold numbers."""
    plain = {"data": _plain(said["data"]), "metadata": _plain(said["metadata"])}
    return _ENCODER.encode({**said, **plain}).encode()


def _digest(previous: str, text: bytes) -> str:
    return hashlib.sha256(previous.encode() + text).hexdigest()


def first_broken(events: Iterable[Event]) -> Event | None:
    """Return the first event of one aggregate's whole log that does not continue its chain."""
    head = Head()
    for event in events:
        if event.version != head.version + 1 or event.checksum != checksum(head.checksum, event):
            return event
        head = Head(event.version, event.checksum)
    return None


class Written(NamedTuple):
    """An event, with its data and what its checksum covers as they are written."""

    event: Event
    data: str
    content: str

    @property
    def announced(self) -> str:
        """What subscribers receive of it: its content and its checksum, as JSON."""
        return f'{self.content[:-1]},"checksum":"{self.event.checksum}"}}'


def chained(
    drafts: Sequence[Draft],
    heads: Mapping[UUID, Head],
    cause: Cause,
    *,
    at: datetime,
    ids: Sequence[UUID],
) -> list[Written]:
    """Turn drafts into events that continue their aggregates' chains.

    Args:
        drafts: What happened, in order.
        heads: Where each aggregate stands; absent ones begin.
        cause: What the events share.
        at: When.
        ids: An id for each draft.

    Raises:
        errors.TooLarge: An event's data is above DATA_BYTES_MAX.
        ValueError: An action is none of its aggregate's; subscribers are told of those only.
    """
    ends = dict(heads)
    shared = _Shared(cause, at)
    found: list[Written] = []
    for draft, event_id in zip(drafts, ids, strict=True):
        if draft.action not in actions(draft.about):
            raise ValueError(f"{draft.action} does not happen to a {draft.about.kind}")
        data = _ENCODER.encode(_plain(dict(draft.data)))
        # A character takes four bytes at most.
        if len(data) > DATA_BYTES_MAX // 4 and len(data.encode()) > DATA_BYTES_MAX:
            raise errors.TooLarge(f"A change may carry {DATA_BYTES_MAX} bytes at most.")
        head = ends.get(draft.aggregate_id, Head())
        content = shared.content(draft, event_id, head.version + 1, data)
        event = Event(
            id=event_id,
            aggregate_id=draft.aggregate_id,
            aggregate_type=draft.about.kind,
            event_type=f"{draft.about.kind}.{draft.action}",
            project_id=cause.project_id,
            user_id=cause.user_id,
            data=dict(draft.data),
            metadata=dict(cause.metadata),
            timestamp=at,
            version=head.version + 1,
            causation_id=cause.causation_id,
            correlation_id=cause.correlation_id,
            source=cause.source,
            bundle_id=cause.bundle_id,
            checksum=_digest(head.checksum, content.encode()),
        )
        ends[draft.aggregate_id] = Head(event.version, event.checksum)
        found.append(Written(event, data, content))
    return found


class _Shared:
    """What is the same in the content of all events of one action, written once.

    A test holds it to the bytes of `canonical`.
    """

    def __init__(self, cause: Cause, at: datetime) -> None:
        def said(**members: Any) -> str:
            return _ENCODER.encode({camel(name): value for name, value in members.items()})[1:-1]

        causation = str(cause.causation_id) if cause.causation_id else None
        self._before = said(
            bundle_id=str(cause.bundle_id),
            causation_id=causation,
            correlation_id=cause.correlation_id,
        )
        self._after = said(
            metadata=_plain(cause.metadata),
            project_id=str(cause.project_id),
            source=cause.source.value,
            timestamp=wire_time(at),
            user_id=str(cause.user_id),
        )

    def content(self, draft: Draft, event_id: UUID, version: int, data: str) -> str:
        kind = draft.about.kind
        return (
            f'{{"aggregateId":"{draft.aggregate_id}","aggregateType":"{kind}",{self._before},'
            f'"data":{data},"eventType":"{kind}.{draft.action}","id":"{event_id}",'
            f'{self._after},"version":{version}}}'
        )


def fold(about: Aggregate, row: Row | None, event: Event) -> Row | None:
    """Return the row of an aggregate after *event*; None when it is gone."""
    action = event.event_type.partition(".")[2]
    if action in BIRTHS:
        return _born(about, event)
    if action == PURGED:
        return None
    if row is None:
        raise ValueError(f"{event.event_type} happened to a {about.kind} that is not there")
    row = row | {
        "version": event.version,
        "updated_at": event.timestamp,
        "updated_by": event.user_id,
    }
    match action:
        case "removed":
            return None
        case "deleted":
            return row | {"deleted_at": event.timestamp, "deleted_by": event.user_id}
        case "restored":
            return row | {"deleted_at": None, "deleted_by": None}
        case "archived":
            return row | {"archived_at": event.timestamp, "archived_by": event.user_id}
        case "unarchived":
            return row | {"archived_at": None, "archived_by": None}
        case "moved":
            return row | _place(about, event.data["to"])
        case _ if action in about.deeds:
            return row | about.deeds[action].after(event.data)
        case _ if action.removesuffix(CHANGED) in about.fields:
            name = action.removesuffix(CHANGED)
            return row | {name: about.value(name, event.data["to"])}
        case _:
            raise ValueError(f"{event.event_type} is not known here")


def _born(about: Aggregate, event: Event) -> Row:
    # What an aggregate's type does not have, its first event does not name, nor an old one what
    # came later.
    absent = {camel(name): None for part in about.components for name in part.absent}
    later = {camel(name): value for name, value in about.later.items()}
    given = absent | later | event.data
    row: Row = {name: about.value(name, given[camel(name)]) for name in about.fields}
    row |= {
        "id": event.aggregate_id,
        "version": event.version,
        "created_at": event.timestamp,
        "updated_at": event.timestamp,
        "created_by": event.user_id,
        "updated_by": event.user_id,
    }
    if about.kind != "project":
        row["project_id"] = event.project_id
    if about.lasting:
        row |= {"deleted_at": None, "deleted_by": None}
    if about.archivable:
        row |= {"archived_at": None, "archived_by": None}
    return row | _place(about, event.data)


def _place(about: Aggregate, place: Mapping[str, Any]) -> Row:
    if not about.parent_column or not about.ordered:
        return {}
    return {about.parent_column: UUID(place["parentId"]), "rank": place["rank"]}
