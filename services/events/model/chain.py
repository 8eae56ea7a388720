"""Chains of checksums, checked event by event; pure.

The checksum is that of `services.events.model.log`, implemented for speed, because the whole log
passes through here. A test compares the bytes of both.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Literal, NamedTuple, cast
from uuid import UUID

from libs.contracts.events.event import Event
from services.events.model.actions import PURGED
from services.events.model.log import canonical

_HEXADECIMAL = re.compile(r"[0-9a-f]+")

type Flaw = Literal["altered", "missing", "forked"]


class LogRow(NamedTuple):
    """A row of the log, in the order of its columns; it has the members of an `Event`."""

    id: UUID
    aggregate_id: UUID
    aggregate_type: str
    event_type: str
    project_id: UUID
    user_id: UUID
    data: dict[str, Any]
    metadata: dict[str, Any]
    timestamp: datetime
    version: int
    causation_id: UUID | None
    correlation_id: str
    source: str
    bundle_id: UUID
    checksum: str


@dataclass(frozen=True, slots=True)
class AggregateHead:
    """The end of an aggregate's chain, as commands see it in the table `aggregates`."""

    aggregate_id: UUID
    aggregate_type: str
    project_id: UUID
    version: int
    checksum: str


@dataclass(frozen=True, slots=True)
class ChainStart:
    """The start of a chain whose first events were deleted by retention.

    Args:
        version: The version of the last event that was deleted.
        checksum: The checksum of that event.
        row: The row that they fold into, as `model.beginning` writes it; None for no row.
    """

    version: int
    checksum: str
    row: Mapping[str, Any] | None


@dataclass(frozen=True, slots=True)
class QuarantineDecision:
    """The decision of a person about an event; *recovered* is the event that replaces it."""

    state: str
    recovered: LogRow | None = None


@dataclass(slots=True)
class ChainFinding:
    """An event that does not continue its chain; *stored* is None when the event is missing."""

    project_id: UUID
    aggregate_id: UUID
    version: int
    flaw: Flaw
    stored: LogRow | None


def log_row_of(event: Event) -> LogRow:
    """Return an event as a row of the log."""
    values = (getattr(event, name) for name in LogRow._fields)
    return LogRow._make(values)._replace(source=event.source.value)


def event_of(stored: LogRow) -> Event:
    """Return a row of the log as an event."""
    return Event.model_validate(stored._asdict())


def as_event(stored: LogRow) -> Event:
    """Return a row of the log typed as an event, unchecked, for code that only reads members."""
    return cast("Event", stored)


def content_bytes(event: LogRow) -> bytes:
    """Return the bytes that the checksum covers after the checksum of the event before."""
    moment = event.timestamp.astimezone(UTC).isoformat(timespec="microseconds")
    context = f'"{event.causation_id}"' if event.causation_id else "null"
    metadata = canonical(event.metadata).decode() if event.metadata else "{}"
    return (
        f'{{"aggregateId":"{event.aggregate_id}","aggregateType":{_name(event.aggregate_type)},'
        f'"bundleId":"{event.bundle_id}","causationId":{context},'
        f'"correlationId":{_text(event.correlation_id)},"data":{canonical(event.data).decode()},'
        f'"eventType":{_name(event.event_type)},"id":"{event.id}","metadata":{metadata},'
        f'"projectId":"{event.project_id}","source":{_name(event.source)},'
        f'"timestamp":"{moment[:-6]}Z","userId":"{event.user_id}","version":{event.version}}}'
    ).encode()


def purged_link(event: LogRow) -> str | None:
    """Return the checksum that a `purged` event continues; None for any other event."""
    if event.event_type != f"{event.aggregate_type}.{PURGED}":
        return None
    if event.data.get("events") != event.version - 1:
        return None
    return event.data.get("checksum")


def digest(previous: str, content: bytes) -> str:
    """Return the checksum of a content that continues the checksum *previous*."""
    return hashlib.sha256(previous.encode() + content).hexdigest()


@lru_cache(maxsize=1024)
def _name(value: str) -> str:
    return json.dumps(value, ensure_ascii=False)


def _text(value: str) -> str:
    # Trace ids need no escapes; other texts are encoded as JSON.
    return f'"{value}"' if _HEXADECIMAL.fullmatch(value) else json.dumps(value, ensure_ascii=False)


@dataclass(slots=True)
class Chain:
    """The check of one aggregate's chain, from its start.

    An event that does not continue the chain is left out and added to `findings`, unless a person
    decided about it: an accepted event counts as it is, a recovered one is replaced. An altered row
    does not invalidate its successors: they may continue its checksum as it is stored or as it
    should be.
    """

    project_id: UUID
    aggregate_id: UUID
    decisions: Mapping[int, QuarantineDecision] = field(
        default_factory=dict[int, QuarantineDecision]
    )
    version: int = 0
    findings: list[ChainFinding] = field(default_factory=list[ChainFinding])
    _links: frozenset[str] = frozenset({""})
    _before: frozenset[str] = frozenset({""})

    def begin_after(self, version: int, checksum: str) -> None:
        """Begin after an event that no longer exists."""
        self.version = version
        self._links = self._before = frozenset({checksum})

    def follow(self, event: LogRow) -> list[LogRow]:
        """Return the events that may be applied when *event* is the next one by version."""
        if event.version <= self.version:
            return self._fork(event)
        if self.version == 0:
            self._erased(event)
        trusted: list[LogRow] = []
        while self.version + 1 < event.version:
            trusted += self._gap()
        content = content_bytes(event)
        digests = frozenset([digest(link, content) for link in self._links])
        self.version = event.version
        self._before = self._links
        if event.checksum in digests:
            self._links = frozenset({event.checksum})
            return [*trusted, event]
        decision = self.decisions.get(event.version)
        if decision and decision.recovered:
            self._links = frozenset({decision.recovered.checksum})
            return [*trusted, decision.recovered]
        # Its checksum as stored, and as it should be if only the checksum was altered.
        self._links = digests | {event.checksum}
        if decision and decision.state == "accepted":
            return [*trusted, event]
        self._find("altered", event)
        return trusted

    def end(self, head: AggregateHead) -> list[LogRow]:
        """Return the events that may be applied after the last one that exists."""
        trusted: list[LogRow] = []
        while self.version < head.version:
            trusted += self._gap()
        if head.checksum not in self._links and not self.findings and not self.decisions:
            self._find("forked", None)
        return trusted

    def _erased(self, event: LogRow) -> None:
        """Begin at a tombstone: its data has the checksum of the erased event that it continues."""
        if (link := purged_link(event)) is not None:
            self.begin_after(event.version - 1, link)

    def _gap(self) -> list[LogRow]:
        self.version += 1
        self._before = self._links
        decision = self.decisions.get(self.version)
        if decision and decision.recovered:
            self._links = frozenset({decision.recovered.checksum})
            return [decision.recovered]
        self._find("missing", None)
        return []

    def _fork(self, event: LogRow) -> list[LogRow]:
        """Handle a second row of one version: at most one of the two continues the chain."""
        last = self.findings[-1] if self.findings else None
        fits = event.checksum in {digest(link, content_bytes(event)) for link in self._before}
        if fits and last and last.version == event.version == self.version:
            last.flaw = "forked"
            self._links = frozenset({event.checksum})
            return [event]
        self.findings.append(
            ChainFinding(self.project_id, self.aggregate_id, event.version, "forked", event)
        )
        return []

    def _find(self, flaw: Flaw, stored: LogRow | None) -> None:
        self.findings.append(
            ChainFinding(self.project_id, self.aggregate_id, self.version, flaw, stored)
        )
