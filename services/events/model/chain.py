"""Chains of checksums, followed event by event; pure.

The recipe is the one of `services.events.model.log`; here it is written for speed, because all of
a log goes through it. A test holds both to the same bytes.
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
    """A row of the log, in the order of its columns; it reads like an `Event`."""

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
    """The end of an aggregate's chain as its commands know it."""

    aggregate_id: UUID
    aggregate_type: str
    project_id: UUID
    version: int
    checksum: str


@dataclass(frozen=True, slots=True)
class ChainStart:
    """Where a chain begins whose first events were forgotten: after a version and its checksum.

    Args:
        version: Of the last event that was forgotten.
        checksum: Its own.
        row: What they fold into, as `services.events.model.beginning` writes it; None for nothing.
    """

    version: int
    checksum: str
    row: Mapping[str, Any] | None


@dataclass(frozen=True, slots=True)
class QuarantineDecision:
    """What a person decided about an event; *recovered* is what stands in its place."""

    state: str
    recovered: LogRow | None = None


@dataclass(slots=True)
class ChainFinding:
    """An event that does not continue its chain; *stored* is None when it is not there."""

    project_id: UUID
    aggregate_id: UUID
    version: int
    flaw: Flaw
    stored: LogRow | None


def log_row_of(event: Event) -> LogRow:
    """Return an event as a row of the log holds it."""
    values = (getattr(event, name) for name in LogRow._fields)
    return LogRow._make(values)._replace(source=event.source.value)


def event_of(stored: LogRow) -> Event:
    """Return a row of the log as an event."""
    return Event.model_validate(stored._asdict())


def as_event(stored: LogRow) -> Event:
    """Pass a row of the log for an event, unchecked, to what only reads its members."""
    return cast("Event", stored)


def content_bytes(event: LogRow) -> bytes:
    """Return what the checksum of an event covers, after its predecessor's checksum."""
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
    """Return the checksum that a `purged` event continues; None for every other event."""
    if event.event_type != f"{event.aggregate_type}.{PURGED}":
        return None
    if event.data.get("events") != event.version - 1:
        return None
    return event.data.get("checksum")


def digest(previous: str, content: bytes) -> str:
    """Return the checksum of an event's content after a checksum."""
    return hashlib.sha256(previous.encode() + content).hexdigest()


@lru_cache(maxsize=1024)
def _name(value: str) -> str:
    return json.dumps(value, ensure_ascii=False)


def _text(value: str) -> str:
    # Trace ids need no escapes; anything else takes the long way.
    return f'"{value}"' if _HEXADECIMAL.fullmatch(value) else json.dumps(value, ensure_ascii=False)


@dataclass(slots=True)
class Chain:
    """One aggregate's chain, followed from where it begins.

    What does not continue it is left out and told in `findings`, unless a person decided: an
    accepted event counts as it is, a recovered one by what stands in its place. One altered row
    does not drag down its successors: they may continue its checksum as it is stored or as it
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
        """Begin behind an event that is no longer there."""
        self.version = version
        self._links = self._before = frozenset({checksum})

    def follow(self, event: LogRow) -> list[LogRow]:
        """Return what may be applied, now that *event* is next in the order of versions."""
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
        # As it is stored, and as it would be had only the checksum been altered.
        self._links = digests | {event.checksum}
        if decision and decision.state == "accepted":
            return [*trusted, event]
        self._find("altered", event)
        return trusted

    def end(self, head: AggregateHead) -> list[LogRow]:
        """Return what may be applied after the last event that is there."""
        trusted: list[LogRow] = []
        while self.version < head.version:
            trusted += self._gap()
        if head.checksum not in self._links and not self.findings and not self.decisions:
            self._find("forked", None)
        return trusted

    def _erased(self, event: LogRow) -> None:
        """Begin at a tombstone: what it continues was erased, and its checksum is in its data."""
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
        """Two rows of one version: at most one of them continues the chain."""
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
