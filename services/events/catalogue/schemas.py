"""JSON Schemas (draft 2020-12) of the messages to subscribers, one for each event type."""

from collections.abc import Mapping
from functools import cache

from libs.contracts.ai.facts import RunAnnouncement
from libs.contracts.collab.facts import ReviewAnnouncement
from libs.contracts.events.event import Announcement
from libs.contracts.wire import Wire
from services.events.catalogue.types import VERSION, EventType, Schema, inlined

DRAFT = "https://json-schema.org/draft/2020-12/schema"
BASE = "https://scriptorium.dev/schemas/events/"


def file_name(name: str) -> str:
    """Return the name of the file that describes an event type."""
    return f"{name}.v{VERSION}.json"


ENVELOPES: Mapping[str, type[Wire]] = {
    "events": Announcement,
    "collab": ReviewAnnouncement,
    "ai": RunAnnouncement,
}
"""The model that all messages of a service share."""


@cache
def announcement(service: str = "events") -> Schema:
    """Return the schema that all messages of a service share; do not change it."""
    model = ENVELOPES[service]
    return inlined(model.model_json_schema(by_alias=True, mode="serialization"))


def message(spec: EventType) -> Schema:
    """Return the schema of a message that announces an event of a type."""
    shared = announcement(spec.service)
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
