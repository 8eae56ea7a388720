"""The catalogue: every event type of every aggregate, and the schema of its data; pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, cast

from pydantic import BaseModel

from libs.contracts.ai import facts as ai_facts
from libs.contracts.collab import facts as collab_facts
from libs.contracts.events.resources import INDEX_MAX
from libs.contracts.wire import camel
from services.events.model.actions import CHANGED, PURGED, changeable_fields
from services.events.model.aggregate import AggregateSpec
from services.events.model.aggregates import AGGREGATES
from services.events.model.custom_event import CustomEvent

type Schema = dict[str, Any]

VERSION = 1
"""The version of the contract, as in `scriptorium.v1`; a breaking change needs another type."""

_ID: Schema = {"type": "string", "format": "uuid"}
_PLACE: Mapping[str, Schema] = {
    "parentId": _ID,
    "index": {"type": "integer", "minimum": 0, "maximum": INDEX_MAX},
    "rank": {"type": "string"},
}
# The data of `purged`: the number of events of the chain, and the checksum of the last.
_LAST: Mapping[str, Schema] = {"events": {"type": "integer"}, "checksum": {"type": "string"}}
# Keywords that are useless to a reader, or not true of an event.
_SILENT = frozenset({"title", "default"})


@dataclass(frozen=True, slots=True)
class EventType:
    """One type: `<aggregate>.<action>`, a sentence about it, and the schema of its data."""

    aggregate: str
    action: str
    description: str
    data: Schema
    historic: bool = False
    """Whether the type is promised, but no longer occurs."""
    service: str = "events"
    """The service that announces it."""

    @property
    def is_streamed(self) -> bool:
        """Whether those who follow a project by server-sent events hear of it."""
        return self.service != "ai"

    @property
    def name(self) -> str:
        """Its name in events."""
        return f"{self.aggregate}.{self.action}"


def event_types(aggregates: Mapping[str, AggregateSpec] = AGGREGATES) -> list[EventType]:
    """Return every type of *aggregates*, by name."""
    found = [each for spec in aggregates.values() for each in _types_of(spec)]
    return sorted(found, key=lambda each: each.name)


def announced_types() -> list[EventType]:
    """Return every type that any service announces, by name."""
    beside = [
        *(_beside("collab", *each) for each in collab_facts.FACTS.items()),
        *(_beside("ai", *each) for each in ai_facts.FACTS.items()),
    ]
    return sorted([*event_types(), *beside], key=lambda each: each.name)


def _beside(service: str, name: str, told: ai_facts.FactType | collab_facts.FactType) -> EventType:
    """Return the type of a fact that a service announces beside the log of events."""
    aggregate, _, action = name.partition(".")
    whole = told.data.model_json_schema(by_alias=True, mode="serialization")
    return EventType(aggregate, action, told.description, inlined(whole), service=service)


def _types_of(spec: AggregateSpec) -> Iterator[EventType]:
    def one(action: str, description: str, data: Schema) -> EventType:
        return EventType(spec.kind, action, description, data)

    thing = spec.kind.replace("_", " ")
    purged = f"The {thing} and its earlier events were erased."
    yield one(PURGED, purged, _object(_LAST))
    if spec.grants_access:
        # The events of a role always name the person or the team.
        whole = {name: _field(spec, name) for name in spec.fields}
        who = {name: value for name, value in whole.items() if name != "role"}
        changed = who | {"from": whole["role"], "to": whole["role"]}
        yield one("added", f"A new {thing}.", _object(whole))
        yield one("role_changed", f"The {thing} got another role.", _object(changed))
        removed = f"The {thing} was removed; the data are its last values."
        yield one("removed", removed, _object(whole))
        return
    yield one("created", f"A new {thing}, with all its first values.", _born(spec))
    for name in spec.fields:
        if name not in spec.historic and name not in changeable_fields(spec):
            continue
        value = _field(spec, name)
        if _part_of(spec, name):
            value = _nullable(value)
        data = _object({"from": value, "to": value})
        said = f"The {thing} got another {name.replace('_', ' ')}."
        if name in spec.historic:
            said += f" No longer sent; see {_instead(spec, name)}."
        each = one(f"{name}{CHANGED}", said, data)
        yield replace(each, historic=name in spec.historic)
    for action, deed in spec.custom_events.items():
        yield one(action, deed.description, _done(deed))
    if spec.parent and spec.ordered:
        place = _object(_PLACE)
        data = _object({"from": place, "to": place})
        yield one("moved", f"The {thing} was moved, or its rank was respaced.", data)
    if spec.archivable:
        yield one("archived", f"The {thing} and everything below it is read-only.", _object({}))
        yield one("unarchived", f"The {thing} can be written again.", _object({}))
    if spec.keeps_deleted:
        yield one("deleted", f"The {thing} and everything below it is hidden.", _object({}))
        yield one("restored", f"The {thing} is visible again, at its old place.", _object({}))
    else:
        yield one("removed", f"The {thing} was removed; the data are its last values.", _born(spec))


def _born(spec: AggregateSpec) -> Schema:
    """Return the data of `created`: all fields; those of components are optional."""
    optional = {camel(name) for part in spec.components for name in part.columns.values()}
    optional |= {camel(name) for name in spec.later}
    fields = {name: _field(spec, name) for name in spec.fields}
    if spec.parent and spec.ordered:
        fields |= _PLACE
    return _object(fields, optional)


def _done(deed: CustomEvent) -> Schema:
    """Return the data of a custom event: the new values, and the values before."""
    members = _properties(deed.says)
    was = {name: members[name] for name in deed.fields}
    return _object(
        {**members, "from": _nullable(_object(was))}, optional=deed.later & members.keys()
    )


def _instead(spec: AggregateSpec, name: str) -> str:
    return " and ".join(
        f"{spec.kind}.{action}"
        for action, deed in spec.custom_events.items()
        if name in deed.fields.values()
    )


def _part_of(spec: AggregateSpec, name: str) -> bool:
    return any(name in part.columns.values() for part in spec.parts)


def _field(spec: AggregateSpec, name: str) -> Schema:
    """Return the schema of a field as clients read it, without the limits of requests."""
    for part in spec.parts:
        for own, whole in part.columns.items():
            if whole == name:
                options = _properties(spec.resource)[part.name].get("anyOf", [])
                group = next(option for option in options if "properties" in option)
                value = group["properties"][camel(own)]
                return value if part.table else _nullable(value)
    return _properties(spec.resource)[camel(name)]


@cache
def _properties(model: type[BaseModel]) -> dict[str, Schema]:
    whole = model.model_json_schema(by_alias=True, mode="serialization")
    return inlined(whole)["properties"]


def inlined(schema: Schema) -> Schema:
    """Return a schema of pydantic without references, titles and bans of further members."""
    named: Mapping[str, Any] = schema.get("$defs", {})

    def walk(node: Any, *, names: bool = False) -> Any:
        match node:
            case {"$ref": str(ref), **rest}:
                return walk(named[ref.rpartition("/")[2]]) | walk(rest)
            case dict():
                known = cast("Schema", node)
                return {
                    key: walk(value, names=key == "properties")
                    for key, value in known.items()
                    if names or not (key in _SILENT or key == "$defs" or _closes(key, value))
                }
            case list():
                return [walk(each) for each in cast("list[Any]", node)]
            case _:
                return node

    return walk(schema)


def _closes(key: str, value: Any) -> bool:
    return key == "additionalProperties" and value is False


def _nullable(value: Schema) -> Schema:
    options = value.get("anyOf", [value])
    if {"type": "null"} in options:
        return value
    return {"anyOf": [*options, {"type": "null"}]}


def _object(
    fields: Mapping[str, Schema], optional: set[str] | frozenset[str] = frozenset()
) -> Schema:
    properties = {camel(name): value for name, value in fields.items()}
    return {
        "type": "object",
        "properties": properties,
        "required": sorted(properties.keys() - optional),
    }
