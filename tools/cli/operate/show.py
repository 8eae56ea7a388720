"""Events and reports in words."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from libs.contracts.events.event import Event
from libs.contracts.events.lifecycle import DueThing, PurgeProgress

VALUE_CHARS_MAX = 60
DIFFERENCES_SHOWN_MAX = 20


def time_of(moment: datetime | None) -> str:
    """Return a moment as any option of ours takes it, in UTC; a dash for none."""
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}" if moment else "-"


def event_line(event: Event) -> str:
    """Return an event in one line: time, position, change, person."""
    at = time_of(event.timestamp)
    what = f"v{event.version:<4} {event.event_type:28} {_change(event.data)}"
    return f"{at}  {what}  by {event.user_id}"


def due_line(due: DueThing) -> str:
    """Return in one line what could be purged."""
    at = time_of(due.deleted_at)
    where = "" if due.kind == "project" else f"  in {due.project_id}"
    return f"{due.kind:14} {due.id}  deleted {at} by {due.deleted_by}{where}"


def purge_line(purge: PurgeProgress) -> str:
    """Return a purge in one line: its thing, its progress, and its reason."""
    at = time_of(purge.requested_at)
    far = f"{purge.buried:,} of {purge.things:,} gone, {purge.erased:,} erased"
    mark = "! " if purge.failure and purge.finished_at is None else "  "
    why = f"  {purge.failure}" if mark == "! " else ""
    what = f"{purge.kind:14} {purge.target_id}"
    return f"{mark}{at}  {what}  {purge.state:9} {far}  {purge.reason} by {purge.requested_by}{why}"


def _change(data: dict[str, Any]) -> str:
    if set(data) >= {"from", "to"}:
        return f"{_short(data['from'])} -> {_short(data['to'])}"
    return _short(data) if data else ""


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= VALUE_CHARS_MAX else text[: VALUE_CHARS_MAX - 1] + "…"


def told(result: dict[str, Any]) -> Iterator[str]:
    """Yield what a rebuild found, in sentences."""
    yield (
        f"replayed {result['events']:,} events of {result['aggregates']:,} things in"
        f" {result['seconds']:.1f} s ({result['perSecond']:,}/s)"
    )
    for flaw in result["flaws"][:DIFFERENCES_SHOWN_MAX]:
        yield f"! left out: version {flaw['version']} of {flaw['id']}: {flaw['flaw']}"
    if lost := result["lostHeads"]:
        said = "made anew" if result["swapped"] else "--swap makes them anew"
        yield f"! {lost:,} things have events and no end of their chain: {said}"
    if result["equal"]:
        yield "the live tables are equal to the rebuilt ones, row by row"
    else:
        yield f"{result['differences']:,} rows differ"
    for each in result["shown"][:DIFFERENCES_SHOWN_MAX]:
        members = "; ".join(
            f"{name}: live {_short(both['live'])}, rebuilt {_short(both['rebuilt'])}"
            for name, both in each["members"].items()
        )
        yield f"! {each['table']} {each['id']} {each['what']}  {members}".rstrip()
    if swapped := result["swapped"]:
        yield (
            f"swapped: {swapped['rows']:,} rows replaced, {swapped['caughtUp']:,} things caught up;"
            f" writers held {swapped['holds']:,} times,"
            f" {swapped['longestHoldS'] * 1000:.0f} ms at most"
        )
