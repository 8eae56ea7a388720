"""JSON Schemas (draft 2020-12) of the messages to subscribers, one for each event type."""

from functools import cache

from libs.contracts.events.event import Announcement
from services.events.catalogue.types import VERSION, EventType, Schema, inlined

DRAFT = "https://json-schema.org/draft/2020-12/schema"
BASE = "https://scriptorium.dev/schemas/events/"


def file_name(name: str) -> str:
    """Return the name of the file that describes an event type."""
    return f"{name}.v{VERSION}.json"


@cache
def announcement() -> Schema:
    """Return the schema that all messages share; do not change it."""
    return inlined(Announcement.model_json_schema(by_alias=True, mode="serialization"))


def message(spec: EventType) -> Schema:
    """Return the schema of a message that announces an event of a type."""
    shared = announcement()
    event = shared["properties"]["event"]
    properties = event["properties"] | {
        "aggregateType": {"const": spec.aggregate},
        "eventType": {"const": spec.name},
        "data": spec.data,
    }
    marks: Schema = {"deprecated": True} if spec.historic else {}
    return shared | {
        "description": spec.description,
        **marks,
        "properties": shared["properties"] | {"event": event | {"properties": properties}},
    }


def document(spec: EventType) -> Schema:
    """Return the schema of an event type as a complete document."""
    head = {"$schema": DRAFT, "$id": BASE + file_name(spec.name), "title": spec.name}
    return head | message(spec)
