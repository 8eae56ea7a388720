"""Events and reports in words."""

import json
from collections.abc import Iterator
from typing import Any

from libs.contracts.events import Event

VALUE_CHARS_MAX = 60
DIFFERENCES_SHOWN_MAX = 20


def event_line(event: Event) -> str:
    """Return an event in one line: when, which, what, by whom."""
    at = event.timestamp.isoformat(sep=" ", timespec="seconds")
    what = f"v{event.version:<4} {event.event_type:28} {_change(event.data)}"
    return f"{at}  {what}  by {event.user_id}"


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
            f"swapped: {swapped['rows']:,} rows replaced, {swapped['caughtUp']:,} things caught up,"
            f" writers held for {swapped['heldS'] * 1000:.0f} ms"
        )
