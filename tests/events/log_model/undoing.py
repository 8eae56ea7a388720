"""What takes an action back, or does part of it again: by values, as ADR 0041 has it."""

from typing import Any

from tests.events.log_model.things import (
    DELETED,
    KINDS,
    PLACE,
    Made,
    Operation,
    Refused,
    Thing,
    Things,
)

type Ends = dict[str, tuple[Any, Any]]
"""By the name of a field: what should be there now, and what is to be there."""


def inverse(
    things: Things, made: Made, only: set[tuple[str, str]] | None, *, backwards: bool
) -> list[Operation]:
    """What is to be done, so that the values before (or after) *made* are there.

    Raises:
        Refused: Something holds neither: somebody changed it since.
    """
    found = _Inverse()
    # What is above, and what others refer to, comes back first and goes last.
    for thing_id in sorted(made.touched, key=lambda each: KINDS.index(things.all[each].kind)):
        touched = made.touched[thing_id]
        ends: Ends = {
            name: (after, before) if backwards else (before, after)
            for name, (before, after) in touched.effects.items()
            if only is None or (thing_id, name) in only
        }
        if ends:
            left = {name: after for name, (_, after) in touched.effects.items()}
            found.add(things.all[thing_id], ends, (touched.born or {}) | left, touched.last)
    return [*found.restores, *found.changes, *reversed(found.deletes)]


class _Inverse:
    def __init__(self) -> None:
        self.restores: list[Operation] = []
        self.changes: list[Operation] = []
        self.deletes: list[Operation] = []

    def add(self, thing: Thing, ends: Ends, left: dict[str, Any], last: Any) -> None:
        dead = thing.deleted or thing.gone
        if DELETED in ends:
            _, goes = ends.pop(DELETED)
            if goes:
                if not dead:
                    _require(
                        all(thing.fields[n] == left.get(n, v) for n, v in thing.fields.items())
                    )
                    self.deletes.append(_about(thing, "delete"))
                return
            if thing.gone:
                fields = last or {n: v for n, v in left.items() if n in thing.fields}
                self.restores.append(_about(thing, "create", fields=fields, again=True))
                return
            if dead:
                self.restores.append(_about(thing, "restore"))
        else:
            _require(not dead)
        if PLACE in ends:
            self._move(thing, *ends.pop(PLACE))
        values = {name: want for name, (_, want) in ends.items() if thing.fields[name] != want}
        _require(all(thing.fields[name] == ends[name][0] for name in values))
        if values:
            self.changes.append(_about(thing, "set", values=values))

    def _move(self, thing: Thing, base: tuple[str, int, str], want: tuple[str, int, str]) -> None:
        there = thing.parent, thing.rank
        if there != (want[0], want[2]):
            _require(there == (base[0], base[2]))
            more = {"parentId": want[0], "index": want[1], "rank": want[2]}
            self.changes.append(_about(thing, "move", **more))


def _about(thing: Thing, op: str, **more: Any) -> Operation:
    return {"op": op, "aggregate": {"kind": thing.kind, "id": thing.id}, **more}


def _require(untouched: bool) -> None:
    if not untouched:
        raise Refused("CONFLICT")
