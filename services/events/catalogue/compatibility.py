"""Compatibility of schemas: may one replace another without breaking subscribers; pure.

Messages may gain optional members, and enumerations may gain values.
Everything else stays: no member is removed, becomes required or ceases to be required, and no
type and no limit changes to one that old events would violate.
"""

import json
from collections.abc import Iterator
from typing import Any, cast

type Schema = dict[str, Any]

_LOWER = ("minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties")
_UPPER = ("maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties")
_FIXED = ("const", "format", "pattern", "multipleOf", "uniqueItems")


def breaking(old: Schema, new: Schema) -> list[str]:
    """Return the changes from *old* to *new* that may break a subscriber; empty when none does."""
    return list(_breaking(old, new, ""))


def _breaking(old: Schema, new: Schema, path: str) -> Iterator[str]:
    where = path or "the message"
    if "anyOf" in old or "anyOf" in new:
        yield from _alternatives(old, new, path)
        return
    if old.get("type") != new.get("type"):
        yield f"{where}: its type was {_said(old, 'type')} and is {_said(new, 'type')}"
        return
    yield from _values(old, new, where)
    yield from _limits(old, new, where)
    yield from _members(old, new, path)
    if "items" in old or "items" in new:
        yield from _breaking(old.get("items", {}), new.get("items", {}), f"{path}[]")


def _alternatives(old: Schema, new: Schema, path: str) -> Iterator[str]:
    """Compare the alternatives of a value, those of the same type with each other."""
    before = {_kind(each): each for each in old.get("anyOf", [old])}
    after = {_kind(each): each for each in new.get("anyOf", [new])}
    for kind in before.keys() - after.keys():
        yield f"{path or 'the message'}: may no longer be {kind}"
    for kind in after.keys() - before.keys():
        yield f"{path or 'the message'}: may now be {kind}"
    for kind in before.keys() & after.keys():
        yield from _breaking(before[kind], after[kind], path)


def _kind(option: Schema) -> str:
    return f"{option.get('type', 'anything')}" + (
        f" ({option['format']})" if "format" in option else ""
    )


def _values(old: Schema, new: Schema, where: str) -> Iterator[str]:
    if "enum" in new and "enum" not in old:
        yield f"{where}: only some values are left"
    elif "enum" in old and "enum" not in new:
        yield f"{where}: may now have any value"
    for value in old.get("enum", []):
        if value not in new.get("enum", [value]):
            yield f"{where}: {json.dumps(value)} is no longer one of its values"
    for keyword in _FIXED:
        if old.get(keyword) != new.get(keyword):
            yield f"{where}: its {keyword} was {_said(old, keyword)} and is {_said(new, keyword)}"


def _limits(old: Schema, new: Schema, where: str) -> Iterator[str]:
    for keyword in _LOWER:
        if keyword in new and new[keyword] > old.get(keyword, float("-inf")):
            yield f"{where}: its {keyword} rose to {new[keyword]}"
    for keyword in _UPPER:
        if keyword in new and new[keyword] < old.get(keyword, float("inf")):
            yield f"{where}: its {keyword} fell to {new[keyword]}"


def _members(old: Schema, new: Schema, path: str) -> Iterator[str]:
    before, after = old.get("properties", {}), new.get("properties", {})
    required, demanded = set(old.get("required", [])), set(new.get("required", []))
    where = path or "the message"
    for name in before.keys() - after.keys():
        yield f"{where}: {name} is gone"
    for name in demanded - required:
        yield f"{where}: {name} is now required"
    for name in (required - demanded) & after.keys():
        yield f"{where}: {name} is no longer always there"
    open_before = old.get("additionalProperties", True)
    if open_before is not False and new.get("additionalProperties", True) is False:
        yield f"{where}: nothing else may be in it any more"
    for name in before.keys() & after.keys():
        yield from _breaking(before[name], after[name], f"{path}.{name}" if path else name)
    other_before, other_after = (each.get("additionalProperties") for each in (old, new))
    if isinstance(other_before, dict) and isinstance(other_after, dict):
        yield from _breaking(
            cast("Schema", other_before), cast("Schema", other_after), f"{path}.*" if path else "*"
        )


def _said(schema: Schema, keyword: str) -> str:
    return json.dumps(schema[keyword]) if keyword in schema else "none"
