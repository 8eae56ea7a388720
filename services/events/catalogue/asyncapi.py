"""The AsyncAPI 3.0 document: the channels of events, and the content of each message."""

from collections.abc import Sequence
from typing import Any

from libs.contracts.subjects import FACTS
from services.events.catalogue.schemas import ENVELOPES, announcement
from services.events.catalogue.types import EventType, Schema

VERSION = "1.0.0"
_DESCRIPTION = """\
The domain events of a project: immutable facts, each a delta of one aggregate; and what happens to
the threads and anchors of its scenes, and to runs, which collab and ai announce beside the log of
events.

Two ways to hear them carry the same messages. Systems inside consume the JetStream streams
`EVENTS`, `COLLAB` and `AI` with a durable consumer: at least once, in order within each aggregate;
`Nats-Msg-Id` repeats with a repetition. Clients outside follow one project as server-sent events,
in the commit order of each of the first two; the id of each message is a place in both, and
`Last-Event-ID` goes on behind it at any replica. A run is followed by a stream of its own.

Members that you do not know may appear in any object, and values in any enumeration: ignore them.
Nothing else about a type ever changes.
"""


def asyncapi(types: Sequence[EventType]) -> dict[str, Any]:
    """Return the document of *types*."""
    kinds = list(dict.fromkeys(each.aggregate for each in types))
    channels = {kind: _subjects(kind, types) for kind in kinds} | {"follow": _stream(types)}
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Scriptorium events",
            "version": VERSION,
            "description": _DESCRIPTION,
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": "application/json",
        "servers": {
            "bus": _server(
                "4222",
                "nats",
                "JetStream, streams `EVENTS`, `COLLAB` and `AI`; for systems inside.",
            ),
            "public": _server("8300", "https", "The public port; with a bearer token."),
        },
        "channels": channels,
        "operations": {
            f"announce_{name}": {"action": "send", "channel": _ref("channels", name)}
            for name in channels
        },
        "components": {
            "messages": {each.name: _message(each) for each in types},
            "schemas": {
                model.__name__: announcement(service) for service, model in ENVELOPES.items()
            },
        },
    }


def _server(port: str, protocol: str, description: str) -> dict[str, Any]:
    return {
        "host": "{host}:" + port,
        "protocol": protocol,
        "description": description,
        "variables": {"host": {"default": "localhost"}},
    }


def _subjects(kind: str, types: Sequence[EventType]) -> dict[str, Any]:
    own = [each for each in types if each.aggregate == kind]
    return {
        "address": f"{FACTS}.{own[0].service}.{kind}.{{action}}.{{projectId}}",
        "servers": [_ref("servers", "bus")],
        "parameters": {
            "action": {"enum": [each.action for each in own]},
            "projectId": {"description": "Whose event it is; `*` for all projects."},
        },
        "messages": _messages(own),
    }


def _stream(types: Sequence[EventType]) -> dict[str, Any]:
    return {
        "address": "/api/projects/{projectId}/events",
        "description": "Server-sent events; `data` is the message, `id` a place to go on from.",
        "servers": [_ref("servers", "public")],
        "parameters": {"projectId": {"description": "The project to follow."}},
        "messages": _messages([each for each in types if each.is_streamed]),
    }


def _messages(types: Sequence[EventType]) -> dict[str, Any]:
    return {each.name: _ref("components/messages", each.name) for each in types}


def _message(spec: EventType) -> dict[str, Any]:
    narrowed: Schema = {
        "eventType": {"const": spec.name},
        "aggregateType": {"const": spec.aggregate},
        "data": spec.data,
    }
    marks: Schema = {"deprecated": True} if spec.historic else {}
    return {
        "name": spec.name,
        "summary": spec.description,
        "payload": {
            "allOf": [
                _ref("components/schemas", ENVELOPES[spec.service].__name__),
                {"type": "object", "properties": {"event": {"properties": narrowed}}, **marks},
            ]
        },
    }


def _ref(where: str, name: str) -> dict[str, str]:
    return {"$ref": f"#/{where}/{name}"}
