"""What somebody may want to do next, drawn by Hypothesis: most of it sensible, some of it not."""

from typing import Any

from hypothesis import strategies as st

from libs.contracts.ids import new_id
from tests.events.log_model.model import Model
from tests.events.log_model.things import KINDS, ORDERED, Operation

WORDS = st.sampled_from(["a", "b", "c"])
COUNT_MAX = {"chapter": 3, "scene": 5, "entity": 4, "relation": 4, "tag": 4, "canon_fact": 3}
"""Few of each kind, so that they meet often."""
NEEDED = {"scene": ("chapter", 1), "relation": ("entity", 2), "canon_fact": ("entity", 1)}
"""What there has to be, and how much of it, before there can be one."""
VALUES: dict[str, dict[str, st.SearchStrategy[Any]]] = {
    "chapter": {"title": WORDS},
    "scene": {
        "title": WORDS | st.none(),
        "summary": WORDS | st.none(),
        "status": st.sampled_from(["DRAFT", "REVISED"]),
    },
    "entity": {
        "name": WORDS,
        "type": st.sampled_from(["note", "task", "character"]),
        "task.priority": st.integers(0, 3),
    },
    "relation": {"note": WORDS | st.none()},
    "tag": {"name": WORDS, "colour": st.sampled_from(["#000000", "#ffffff"]) | st.none()},
    "canon_fact": {"fact": WORDS, "revealSceneId": st.nothing()},
}
"""The fields of each kind that are changed, and to what; an id is drawn from what there is."""


def furniture(book: str) -> list[Operation]:
    """What there is at first, so that histories begin in the middle: two of most kinds, tied."""
    ids = {
        name: str(new_id()) for name in ("c1", "c2", "s1", "s2", "s3", "e1", "e2", "r", "t", "f")
    }

    def made(kind: str, key: str, parent: str | None = None, /, **fields: Any) -> Operation:
        more = {"parentId": ids.get(parent, parent)} if parent else {}
        about = {"kind": kind, "id": ids[key]}
        return {"op": "create", "aggregate": about, "fields": fields, **more}

    return [
        made("chapter", "c1", book, title="a"),
        made("chapter", "c2", book, title="b"),
        made("scene", "s1", "c1", title="a"),
        made("scene", "s2", "c1", title="b"),
        made("scene", "s3", "c2", title="a"),
        made("entity", "e1", name="a", type="task"),
        made("entity", "e2", name="b", type="character"),
        made(
            "relation",
            "r",
            sourceEntityId=ids["e1"],
            targetEntityId=ids["e2"],
            type="contains",
        ),
        made("tag", "t", name="a"),
        made("canon_fact", "f", entityId=ids["e1"], fact="a", revealSceneId=ids["s1"]),
    ]


def some_operation(data: st.DataObject, model: Model, fresh: list[tuple[str, str]]) -> Operation:
    """Draw one operation; *fresh* are things that earlier ones of the same bundle create."""
    kind = data.draw(st.sampled_from(KINDS))
    known = _known(model, fresh, kind)
    wish = data.draw(st.sampled_from(["create", "set", "set", "set", "move", "delete", "restore"]))
    if not known or (wish == "create" and len(known) < COUNT_MAX[kind]):
        return _creation(data, model, fresh, kind)
    thing = data.draw(st.sampled_from(known))
    about: Operation = {"aggregate": {"kind": kind, "id": thing}}
    match wish:
        case "move" if kind in ORDERED:
            parents = _known(model, fresh, ORDERED[kind])
            more = (
                {"parentId": data.draw(st.sampled_from(parents))}
                if data.draw(st.booleans())
                else {}
            )
            return {"op": "move", **about, "index": data.draw(st.integers(0, 4)), **more}
        case "delete":
            return {"op": "delete", **about}
        case "restore" if kind != "relation":
            return {"op": "restore", **about}
        case _:
            name = data.draw(st.sampled_from([*VALUES[kind]]))
            return {
                "op": "set",
                **about,
                "path": name,
                "value": _value(data, model, fresh, kind, name),
            }


def some_change(data: st.DataObject, model: Model, thing_id: str, name: str) -> Operation:
    """Draw another value for a field than it has."""
    thing = model.all[thing_id]
    if name == "revealSceneId":
        others = {None, *model.some("scene")} - {thing.fields[name]}
        value = data.draw(st.sampled_from(sorted(others, key=str)))
    else:
        value = data.draw(VALUES[thing.kind][name].filter(lambda each: each != thing.fields[name]))
    about = {"kind": thing.kind, "id": thing_id}
    return {"op": "set", "aggregate": about, "path": name, "value": value}


def with_doubts(data: st.DataObject, model: Model, operation: Operation) -> Operation:
    """Add what its author believes to be there, which is not always so."""
    thing = model.all.get(operation["aggregate"]["id"])
    if thing is None or operation["op"] == "create":
        return operation
    doubt = data.draw(st.sampled_from(["none", "none", "expected", "old", "base"]))
    version = data.draw(st.integers(1, thing.version))
    if doubt == "expected":
        return operation | {"expectedVersion": max(version, thing.version - 1)}
    if operation["op"] == "set" and doubt == "old":
        value = data.draw(
            VALUES[thing.kind][operation["path"]] | st.just(thing.fields[operation["path"]])
        )
        return operation | {"oldValue": value}
    if operation["op"] in ("set", "delete") and doubt == "base":
        return operation | {"baseVersion": version}
    return operation


def some_operations(data: st.DataObject, model: Model) -> list[Operation]:
    """Draw what one bundle does."""
    fresh = list[tuple[str, str]]()
    found = list[Operation]()
    for _ in range(data.draw(st.integers(1, 3))):
        operation = some_operation(data, model, fresh)
        if operation["op"] == "create":
            fresh.append((operation["aggregate"]["kind"], operation["aggregate"]["id"]))
        found.append(with_doubts(data, model, operation))
    return found


def _known(model: Model, fresh: list[tuple[str, str]], kind: str) -> list[str]:
    if kind == "book":
        return [model.book]
    return [*model.some(kind), *(each for of, each in fresh if of == kind)]


def _creation(
    data: st.DataObject, model: Model, fresh: list[tuple[str, str]], kind: str
) -> Operation:
    """Draw a creation, of what it hangs under or refers to first when there is not enough."""
    above, enough = NEEDED.get(kind, ("book", 1))
    if len(_known(model, fresh, above)) < enough:
        return _creation(data, model, fresh, above)
    fields: dict[str, Any] = {}
    more: dict[str, Any] = {}
    match kind:
        case "chapter" | "scene":
            more = {"parentId": data.draw(st.sampled_from(_known(model, fresh, ORDERED[kind])))}
            if data.draw(st.booleans()):
                more["index"] = data.draw(st.integers(0, 3))
            fields = {"title": data.draw(WORDS)}
        case "entity":
            fields = {"name": data.draw(WORDS), "type": data.draw(VALUES[kind]["type"])}
        case "relation":
            one, two = data.draw(st.permutations(_known(model, fresh, "entity")))[:2]
            fields = {"sourceEntityId": one, "targetEntityId": two}
            fields["type"] = data.draw(st.sampled_from(["contains", "contains", "mentions"]))
        case "tag":
            fields = {"name": data.draw(WORDS)}
        case _:
            fields = {"fact": data.draw(WORDS)}
            fields["entityId"] = data.draw(st.sampled_from(_known(model, fresh, "entity")))
            fields["revealSceneId"] = _value(data, model, fresh, kind, "revealSceneId")
    return {
        "op": "create",
        "aggregate": {"kind": kind, "id": str(new_id())},
        "fields": fields,
        **more,
    }


def _value(
    data: st.DataObject, model: Model, fresh: list[tuple[str, str]], kind: str, name: str
) -> Any:
    if name == "revealSceneId":
        return data.draw(st.sampled_from([None, *_known(model, fresh, "scene")]))
    return data.draw(VALUES[kind][name])
