"""Rules that only all rows together can break, one row after the other."""

from collections.abc import Sequence

from tests.events.log_model.things import COMPONENTS, FIRST, Fields, Refused, Thing


def require_whole(fields: Fields) -> None:
    """Return when an entity has no field of a component that its type does not have."""
    strange = FIRST["entity"].keys() - COMPONENTS[fields["type"]].keys()
    if any(fields[name] is not None for name in strange):
        raise Refused("VALIDATION_FAILED")


def require_rules(before: dict[str, Thing], after: dict[str, Thing], ids: Sequence[str]) -> None:
    """Return when rows before an action may be written as they are after it, in this order."""
    for key in ids:
        if after[key].kind == "entity":
            _require_component(after[key].fields)
    rows = {key: thing for key, thing in before.items() if not thing.gone}
    for kind in ("relation", "tag"):
        touched = [key for key in ids if after[key].kind == kind]
        for key in touched:
            if after[key].gone:
                rows.pop(key, None)
        # Rows that are there are written before new ones.
        for key in sorted(touched, key=lambda each: each not in rows):
            thing = after[key]
            if thing.gone:
                continue
            rows[key] = thing
            others = [each for each in rows.values() if each.kind == kind and each.id != key]
            if kind == "tag":
                _require_free_name(thing, others)
            else:
                _require_new_link(thing, others)
        if kind == "relation":
            _require_no_circle([each for each in rows.values() if each.kind == kind])


def _require_component(fields: Fields) -> None:
    """Return when nothing is missing of what an entity's type brings, as a pick may take it."""
    if any(fields[name] is None for name in COMPONENTS[fields["type"]]):
        raise Refused("VALIDATION_FAILED")


def _require_free_name(tag: Thing, others: list[Thing]) -> None:
    if not tag.deleted and any(
        each.fields["name"] == tag.fields["name"] for each in others if not each.deleted
    ):
        raise Refused("ALREADY_EXISTS")


def _require_new_link(relation: Thing, others: list[Thing]) -> None:
    ends = ("sourceEntityId", "targetEntityId", "type")
    if relation.fields[ends[0]] == relation.fields[ends[1]]:
        raise Refused("RELATION_CYCLE")
    if any(all(each.fields[n] == relation.fields[n] for n in ends) for each in others):
        raise Refused("ALREADY_EXISTS")


def _require_no_circle(relations: list[Thing]) -> None:
    below: dict[str, set[str]] = {}
    for each in relations:
        if each.fields["type"] == "contains":
            below.setdefault(each.fields["sourceEntityId"], set()).add(
                each.fields["targetEntityId"]
            )
    for start in below:
        seen, todo = set[str](), [start]
        while todo:
            for each in below.get(todo.pop(), set()) - seen:
                seen.add(each)
                todo.append(each)
        if start in seen:
            raise Refused("RELATION_CYCLE")
