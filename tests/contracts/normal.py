"""Messages without what differs from run to run: ids, times, positions, checksums."""

import json
import re
from pathlib import Path
from typing import Any

from services.events.catalogue.types import VERSION

type Json = dict[str, Any]

GOLDEN = Path(__file__).parent / "golden"
GOLDEN_OF_COLLAB = GOLDEN / "collab"
GOLDEN_OF_AI = GOLDEN / "ai"
MOMENT = "2026-01-01T00:00:00.000000Z"
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_TIME = re.compile(r"\d{4}-\d\d-\d\dT[0-9:.]+Z")
_CHECKSUM = re.compile(r"[0-9a-f]{64}")


def normal(message: Json) -> Json:
    """Return a message as it is kept: its ids numbered in the order of their first appearance."""
    numbers: dict[str, int] = {}

    def number(found: re.Match[str]) -> str:
        at = numbers.setdefault(found.group(), len(numbers) + 1)
        return f"00000000-0000-7000-8000-{at:012d}"

    event = message["event"]
    if "correlationId" in event:
        event |= {"correlationId": "0" * 32}
    text = json.dumps({"position": 1, "event": event}, ensure_ascii=False)
    text = _TIME.sub(MOMENT, _CHECKSUM.sub("0" * 64, _UUID.sub(number, text)))
    return json.loads(text)


def first_of_each(messages: list[Json]) -> dict[str, Json]:
    """Return the first message of each event type, normalised, by type."""
    found: dict[str, Json] = {}
    for message in messages:
        found.setdefault(message["event"]["eventType"], normal(message))
    return dict(sorted(found.items()))


def golden(folder: Path = GOLDEN) -> dict[str, list[Json]]:
    """Return the kept messages of each event type, the oldest first."""
    found: dict[str, list[Json]] = {}
    for path in sorted(folder.glob("*.json")):
        said = json.loads(path.read_text())
        found.setdefault(said["event"]["eventType"], []).append(said)
    return found


def shape(value: Any) -> Any:
    """Return the members of a message at every depth, without their values."""
    match value:
        case dict():
            return {str(name): shape(each) for name, each in value.items()}  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
        case _:
            return None


def keep(messages: dict[str, Json], folder: Path = GOLDEN) -> list[Path]:
    """Write a golden file for each message whose like is not kept; never touches one that is."""
    known, written = golden(folder), list[Path]()
    for name, message in messages.items():
        before = known.get(name, [])
        if any(shape(each) == shape(message) for each in before):
            continue
        again = f".{len(before) + 1}" if before else ""
        path = folder / f"{name}.v{VERSION}{again}.json"
        path.write_text(json.dumps(message, indent=1, ensure_ascii=False) + "\n")
        written.append(path)
    return written
