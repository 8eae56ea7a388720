"""What a log of bundles should do, in plain Python: one action at a time, done whole or refused.

Nothing here knows of events, chains or tables. An action is a list of operations; undo finds the
operations that take one back. `Refused` names the code that the service has to answer with.
"""

import copy
from collections.abc import Iterable, Sequence
from typing import Any

from tests.events.log_model.rules import require_rules, require_whole
from tests.events.log_model.things import (
    COMPONENTS,
    DELETED,
    FIRST,
    ORDERED,
    PLACE,
    REFERENCES,
    Fields,
    Made,
    Operation,
    Refused,
    Thing,
    Things,
    Touched,
)
from tests.events.log_model.undoing import inverse

GRAVITY = ("NOT_FOUND", "CONCURRENCY_CONFLICT", "CONFLICT")
"""Of the refusals of several operations the first of these is told."""


class Model(Things):
    """A project as its author knows it, and what they did."""

    def __init__(self, book: str) -> None:
        super().__init__(book)
        self.bundles: list[Made] = []
        self._made = Made("")
        self._before: dict[str, Thing] = {}

    def is_undone(self, bundle_id: str) -> bool:
        """Whether something reverses it that is not itself undone."""
        return self.reversal_of(bundle_id) is not None

    def reversal_of(self, bundle_id: str) -> Made | None:
        """What undid an action: the newest that counts, when undoing undos made several count."""
        reversing = (each for each in reversed(self.bundles) if each.reverses == bundle_id)
        return next((each for each in reversing if not self.is_undone(each.id)), None)

    def commit(self, bundle_id: str, operations: Sequence[Operation]) -> None:
        """Do many operations as one bundle; raises `Refused`, as all of these do."""
        self._act(Made(bundle_id), operations)

    def command(self, command_id: str, operation: Operation) -> None:
        """Do one operation by a command of its own, which says other things by other codes."""
        thing = self.all.get(operation["aggregate"]["id"])
        match operation["op"]:
            case "restore":
                if thing and thing.kind == "relation":
                    raise Refused("VALIDATION_FAILED")
                if thing and self.is_hidden(thing):
                    raise Refused("CONFLICT")
            case "create":
                pass
            case _:
                parent = operation.get("parentId")
                if thing is None or not self.is_visible(thing.id):
                    raise Refused("NOT_FOUND")
                if parent and not self.is_visible(parent):
                    raise Refused("NOT_FOUND")
                if operation.get("expectedVersion") not in (None, thing.version):
                    raise Refused("PRECONDITION_FAILED")
        self._act(Made(command_id), [operation], alone=True)

    def undo(self, bundle_id: str, target: Made) -> None:
        """Take an action back."""
        if self.is_undone(target.id):
            raise Refused("CONFLICT")
        made = Made(bundle_id, reverses=target.id)
        self._act(made, inverse(self, target, None, backwards=True), reversing=True)

    def pick(
        self, bundle_id: str, target: Made, only: set[tuple[str, str]], *, backwards: bool
    ) -> None:
        """Take back, or do again, some fields of an action: pairs of a thing's id and a name."""
        operations = inverse(self, target, only, backwards=backwards)
        self._act(Made(bundle_id), operations, reversing=True)

    def forget(self) -> None:
        """Forget how everything came to be as it is: no action so far can be taken back."""
        self.bundles = []
        for thing in self.all.values():
            thing.forgotten = thing.version

    def _act(
        self,
        made: Made,
        operations: Iterable[Operation],
        *,
        alone: bool = False,
        reversing: bool = False,
    ) -> None:
        self._before, self._made, self.left = copy.deepcopy(self.all), made, {}
        operations, codes = [*operations], set[str]()
        if not alone:
            # What others did since is looked up before anything is done.
            for each in operations:
                _require_known(self.all.get(each["aggregate"]["id"]), each)
        try:
            for operation in operations:
                try:
                    self._do(operation, alone=alone)
                except Refused as refusal:
                    if refusal.code not in GRAVITY:
                        raise
                    # Nobody named what a reversal needs: that it is gone is in its way.
                    gone = reversing and refusal.code == "NOT_FOUND"
                    codes.add("CONFLICT" if gone else refusal.code)
            _require_none(codes)
            require_rules(self._before, self.all, [*made.touched])
        except Refused:
            self.all = self._before
            raise
        if made.events:
            self.bundles.append(made)

    def _do(self, operation: Operation, *, alone: bool) -> None:
        target = operation["aggregate"]["id"]
        thing, then = self.all.get(target), self._before.get(target)
        expected = operation.get("expectedVersion")
        if then and not then.gone and expected not in (None, then.version):
            raise Refused("CONCURRENCY_CONFLICT")
        if operation["op"] == "create":
            self._create(operation)
            return
        if operation["op"] == "restore":
            self._restore(thing)
            return
        if thing is None or not self.is_visible(target):
            raise Refused("NOT_FOUND")
        match operation["op"]:
            case "set":
                _require_known(thing, operation)
                self._set(thing, then, operation, alone=alone)
            case "delete":
                base = operation.get("baseVersion")
                if then and base and any(name != DELETED for name, _ in then.history[base:]):
                    raise Refused("CONFLICT")
                self._delete(thing)
            case _:
                self._move(thing, operation, alone=alone)

    def _create(self, operation: Operation) -> None:
        kind, thing_id = operation["aggregate"]["kind"], operation["aggregate"]["id"]
        known = self.all.get(thing_id)
        if known and not (operation.get("again") and known.gone):
            raise Refused("CONCURRENCY_CONFLICT")
        parent = operation.get("parentId")
        if kind in ORDERED and not self.is_visible(parent):
            raise Refused("NOT_FOUND")
        given = operation["fields"]
        fields = FIRST[kind] | COMPONENTS.get(given.get("type"), {}) | given
        self._require_references(kind, {}, fields)
        thing = known or Thing(kind, thing_id, parent, fields)
        if parent:
            thing.rank = self.rank_at(thing, parent, operation.get("index"))
        self.all[thing_id] = thing
        thing.fields, thing.gone = fields, False
        self._note(thing, DELETED, True, False)
        self._made.touched[thing_id].born = dict(fields)
        self._made.touched[thing_id].last = None

    def _restore(self, thing: Thing | None) -> None:
        if thing is None or thing.gone or self.is_hidden(thing):
            raise Refused("NOT_FOUND")
        if thing.deleted:
            thing.deleted = False
            self._note(thing, DELETED, True, False)

    def _delete(self, thing: Thing) -> None:
        lasts = thing.kind != "relation"
        thing.deleted, thing.gone = lasts, not lasts
        self._note(thing, DELETED, False, True)
        if thing.gone:
            self._made.touched[thing.id].last = dict(thing.fields)

    def _set(self, thing: Thing, then: Thing | None, operation: Operation, *, alone: bool) -> None:
        """Give fields values, and an entity of another type what that brings."""
        values: Fields = operation.get("values") or {operation["path"]: operation["value"]}
        full = values
        if values.get("type", thing.fields.get("type")) != thing.fields.get("type"):
            full = FIRST["entity"] | COMPONENTS[values["type"]] | values
        merged = full if alone else values
        for name, value in merged.items():
            self._require_unchanged(thing, then, operation, name, value)
        after = thing.fields | full
        self._require_references(thing.kind, thing.fields, after)
        if thing.kind == "entity" and after != thing.fields:
            require_whole(after)
        for name, value in full.items():
            if (was := thing.fields[name]) != value:
                thing.fields[name] = value
                self._note(thing, name, was, value)

    def _require_unchanged(
        self, thing: Thing, then: Thing | None, operation: Operation, name: str, value: Any
    ) -> None:
        """Return unless a field holds what the author neither saw nor wants."""
        now = thing.fields[name]
        saw = operation.get("oldValue", now)
        base = operation.get("baseVersion")
        if then and base and "oldValue" not in operation:
            saw = next((was for each, was in then.history[base:] if each == name), now)
        if now not in (saw, value):
            raise Refused("CONFLICT")

    def _require_references(self, kind: str, before: Fields, after: Fields) -> None:
        for name in REFERENCES.get(kind, ()):
            new = after[name]
            if new not in (None, before.get(name)) and not self.is_visible(new):
                raise Refused("NOT_FOUND")

    def _move(self, thing: Thing, operation: Operation, *, alone: bool) -> None:
        assert thing.parent
        assert thing.rank
        parent = operation.get("parentId") or thing.parent
        if not self.is_visible(parent):
            raise Refused("NOT_FOUND")
        here, rank = (thing.parent, self.index_of(thing)), thing.rank
        wanted = operation.get("rank")
        if not alone and wanted != rank:
            self.left.setdefault(thing.parent, set()).add(rank)
        if wanted is None or wanted in self.taken(parent, but=thing):
            wanted = self.rank_at(thing, parent, operation["index"])
        thing.parent, thing.rank = parent, wanted
        if (parent, self.index_of(thing)) != here:
            self._note(thing, PLACE, (*here, rank), (parent, self.index_of(thing), wanted))
            return
        # It was not moved after all; the place that it tried stays taken.
        thing.rank = rank
        self.left.setdefault(parent, set()).add(wanted)

    def _note(self, thing: Thing, name: str, before: Any, after: Any) -> None:
        touched = self._made.touched.setdefault(thing.id, Touched())
        first = touched.effects.get(name)
        touched.effects[name] = (first[0] if first else before, after)
        thing.version += 1
        thing.history.append((name, before))
        self._made.events += 1


def _require_known(thing: Thing | None, operation: Operation) -> None:
    """Return unless what happened since the author looked was forgotten."""
    base = operation.get("baseVersion")
    if thing and not thing.gone and base and base < thing.forgotten:
        raise Refused("CONFLICT")


def _require_none(codes: set[str]) -> None:
    for code in GRAVITY:
        if code in codes:
            raise Refused(code)
