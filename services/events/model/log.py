r"""The log as values: pending events become chained events, and events fold into rows.

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
from services.events.model.aggregate import AggregateSpec, Row

CREATIONS = frozenset({"created", "added"})
"""Actions that create an aggregate."""


@dataclass(frozen=True, slots=True)
class PendingEvent:
    """An event that is not chained yet: the action on an aggregate, and its data."""

    spec: AggregateSpec
    aggregate_id: UUID
    action: str
    data: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ChainHead:
    """The end of an aggregate's chain; version 0 before its first event."""

    version: int = 0
    checksum: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandContext:
    """The members that all events of one user action have in common."""

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
            # By its shortest form, as jsonb reads it, and not by its binary value.
            return int(Decimal(repr(value)))
        case _:
            return value


def content(event: Event) -> dict[str, Any]:
    """Return the content of an event: all that its checksum covers."""
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
    return _digest(previous, canonical_content(content(event)))


def canonical_content(said: Mapping[str, Any]) -> bytes:
    """Return `canonical` of a `content`; faster, because only data and metadata hold numbers."""
    plain = {"data": _plain(said["data"]), "metadata": _plain(said["metadata"])}
    return _ENCODER.encode({**said, **plain}).encode()


def _digest(previous: str, text: bytes) -> str:
    return hashlib.sha256(previous.encode() + text).hexdigest()


def first_broken(events: Iterable[Event]) -> Event | None:
    """Return the first event of an aggregate's complete log that does not continue its chain."""
    head = ChainHead()
    for event in events:
        if event.version != head.version + 1 or event.checksum != checksum(head.checksum, event):
            return event
        head = ChainHead(event.version, event.checksum)
    return None


class ChainedEvent(NamedTuple):
    """An event, with its data and its content as JSON text."""

    event: Event
    data: str
    content: str

    @property
    def announced(self) -> str:
        """The message for subscribers: the content and the checksum of the event, as JSON."""
        return f'{self.content[:-1]},"checksum":"{self.event.checksum}"}}'


def chain_events(
    pending_events: Sequence[PendingEvent],
    heads: Mapping[UUID, ChainHead],
    context: CommandContext,
    *,
    at: datetime,
    ids: Sequence[UUID],
) -> list[ChainedEvent]:
    """Turn pending events into events that continue the chains of their aggregates.

    Args:
        pending_events: The events, in order.
        heads: The end of each aggregate's chain; an aggregate without one begins.
        context: The command and actor of the events.
        at: The time of the events.
        ids: An id for each of them.

    Raises:
        errors.TooLarge: The data of an event is above DATA_BYTES_MAX.
        ValueError: The kind has no such action, so subscribers would not know the event.
    """
    ends = dict(heads)
    shared = _Shared(context, at)
    found: list[ChainedEvent] = []
    for pending_event, event_id in zip(pending_events, ids, strict=True):
        if pending_event.action not in actions(pending_event.spec):
            raise ValueError(
                f"{pending_event.action} does not happen to a {pending_event.spec.kind}"
            )
        data = _ENCODER.encode(_plain(dict(pending_event.data)))
        # A character takes four bytes at most.
        if len(data) > DATA_BYTES_MAX // 4 and len(data.encode()) > DATA_BYTES_MAX:
            raise errors.TooLarge(f"The data of one event may have at most {DATA_BYTES_MAX} bytes.")
        head = ends.get(pending_event.aggregate_id, ChainHead())
        content = shared.content(pending_event, event_id, head.version + 1, data)
        event = Event(
            id=event_id,
            aggregate_id=pending_event.aggregate_id,
            aggregate_type=pending_event.spec.kind,
            event_type=f"{pending_event.spec.kind}.{pending_event.action}",
            project_id=context.project_id,
            user_id=context.user_id,
            data=dict(pending_event.data),
            metadata=dict(context.metadata),
            timestamp=at,
            version=head.version + 1,
            causation_id=context.causation_id,
            correlation_id=context.correlation_id,
            source=context.source,
            bundle_id=context.bundle_id,
            checksum=_digest(head.checksum, content.encode()),
        )
        ends[pending_event.aggregate_id] = ChainHead(event.version, event.checksum)
        found.append(ChainedEvent(event, data, content))
    return found


class _Shared:
    """The part of the content that all events of one action share, encoded once.

    A test compares the result with the bytes of `canonical`.
    """

    def __init__(self, context: CommandContext, at: datetime) -> None:
        def said(**members: Any) -> str:
            return _ENCODER.encode({camel(name): value for name, value in members.items()})[1:-1]

        causation = str(context.causation_id) if context.causation_id else None
        self._before = said(
            bundle_id=str(context.bundle_id),
            causation_id=causation,
            correlation_id=context.correlation_id,
        )
        self._after = said(
            metadata=_plain(context.metadata),
            project_id=str(context.project_id),
            source=context.source.value,
            timestamp=wire_time(at),
            user_id=str(context.user_id),
        )

    def content(self, pending_event: PendingEvent, event_id: UUID, version: int, data: str) -> str:
        kind = pending_event.spec.kind
        return (
            f'{{"aggregateId":"{pending_event.aggregate_id}","aggregateType":"{kind}",{self._before},'
            f'"data":{data},"eventType":"{kind}.{pending_event.action}","id":"{event_id}",'
            f'{self._after},"version":{version}}}'
        )


def fold(spec: AggregateSpec, row: Row | None, event: Event) -> Row | None:
    """Return the row of an aggregate after *event*; None when the event removes it."""
    action = event.event_type.partition(".")[2]
    if action in CREATIONS:
        return _born(spec, event)
    if action == PURGED:
        return None
    if row is None:
        raise ValueError(f"{event.event_type} happened to a {spec.kind} that is not there")
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
            return row | _place(spec, event.data["to"])
        case _ if action in spec.custom_events:
            return row | spec.custom_events[action].after(event.data)
        case _ if action.removesuffix(CHANGED) in spec.fields:
            name = action.removesuffix(CHANGED)
            return row | {name: spec.value(name, event.data["to"])}
        case _:
            raise ValueError(f"{event.event_type} is not known here")


def _born(spec: AggregateSpec, event: Event) -> Row:
    # The first event does not name fields that the type of the aggregate does not have, and an old
    # event does not name fields that were added later.
    absent = {camel(name): None for part in spec.components for name in part.absent}
    later = {camel(name): value for name, value in spec.later.items()}
    given = absent | later | event.data
    row: Row = {name: spec.value(name, given[camel(name)]) for name in spec.fields}
    row |= {
        "id": event.aggregate_id,
        "version": event.version,
        "created_at": event.timestamp,
        "updated_at": event.timestamp,
        "created_by": event.user_id,
        "updated_by": event.user_id,
    }
    if spec.kind != "project":
        row["project_id"] = event.project_id
    if spec.keeps_deleted:
        row |= {"deleted_at": None, "deleted_by": None}
    if spec.archivable:
        row |= {"archived_at": None, "archived_by": None}
    return row | _place(spec, event.data)


def _place(spec: AggregateSpec, place: Mapping[str, Any]) -> Row:
    if not spec.parent_column or not spec.ordered:
        return {}
    return {spec.parent_column: UUID(place["parentId"]), "rank": place["rank"]}
