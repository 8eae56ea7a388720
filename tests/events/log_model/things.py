"""Things in a dictionary: what is there, what may be seen, and in which order."""

from dataclasses import dataclass, field
from typing import Any

from services.events.model.rank import between

type Fields = dict[str, Any]
type Operation = dict[str, Any]

ORDERED = {"chapter": "book", "scene": "chapter"}
KINDS = ("chapter", "scene", "entity", "relation", "tag", "canon_fact")
"""What others hang under or refer to comes first."""
REFERENCES = {
    "relation": ("sourceEntityId", "targetEntityId"),
    "canon_fact": ("entityId", "revealSceneId"),
}
HIDING = {"relation": ("sourceEntityId", "targetEntityId"), "canon_fact": ("entityId",)}
"""References to what, when it is deleted, hides what refers to it."""
FIRST: dict[str, Fields] = {
    "chapter": {},
    "scene": {"title": None, "summary": None, "status": "DRAFT"},
    "entity": {"task.status": None, "task.priority": None, "story.goals": None},
    "relation": {"note": None},
    "tag": {"colour": None},
    "canon_fact": {"revealSceneId": None},
}
"""The fields that this model looks at and a creation may leave out."""
COMPONENTS: dict[str, Fields] = {
    "task": {"task.status": "todo", "task.priority": 0},
    "character": {"story.goals": []},
    "note": {},
}
"""What an entity's type brings."""

PLACE, DELETED = "place", "deleted"


class Refused(Exception):
    """The action is refused with this code, and nothing of it happened."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


@dataclass
class Thing:
    """One aggregate; `gone` when it was removed and does not last."""

    kind: str
    id: str
    parent: str | None
    fields: Fields
    rank: str | None = None
    deleted: bool = False
    gone: bool = False
    version: int = 0
    history: list[tuple[str, Any]] = field(default_factory=list[tuple[str, Any]])
    """For each version what it changed, and what that was before."""
    forgotten: int = 0
    """The version up to which nobody knows any more how it came to be."""


@dataclass
class Touched:
    """What an action did to one thing: each value before and after, and all values at its ends."""

    effects: dict[str, tuple[Any, Any]] = field(default_factory=dict[str, tuple[Any, Any]])
    born: Fields | None = None
    last: Fields | None = None


@dataclass
class Made:
    """An action that changed something: a bundle."""

    id: str
    reverses: str | None = None
    events: int = 0
    touched: dict[str, Touched] = field(default_factory=dict[str, Touched])


class Things:
    """What there is in a project with one book."""

    def __init__(self, book: str) -> None:
        self.book = book
        self.all: dict[str, Thing] = {}
        self.left: dict[str, set[str]] = {}
        """Ranks that were left in this action, by parent: they stay taken until its end."""

    def some(self, *kinds: str) -> list[str]:
        """The ids of all things of some kinds, the dead ones too."""
        return [thing.id for thing in self.all.values() if thing.kind in kinds]

    def is_hidden(self, thing: Thing) -> bool:
        """Whether something that it belongs to is deleted."""
        if thing.kind in ORDERED:
            return thing.parent != self.book and not self.is_visible(thing.parent)
        hiding = (thing.fields[name] for name in HIDING.get(thing.kind, ()))
        return any(self.all[each].deleted for each in hiding)

    def is_visible(self, thing_id: str | None) -> bool:
        """Whether it is there, and neither it nor what it belongs to is deleted."""
        if thing_id == self.book:
            return True
        thing = self.all.get(thing_id or "")
        return thing is not None and not (thing.gone or thing.deleted or self.is_hidden(thing))

    def siblings(self, parent: str, *, living: bool = False) -> list[Thing]:
        """The children of something, in their order."""
        found = [
            each
            for each in self.all.values()
            if each.kind in ORDERED and each.parent == parent and not (living and each.deleted)
        ]
        return sorted(found, key=lambda each: each.rank or "")

    def index_of(self, thing: Thing) -> int:
        """How many living siblings are before it."""
        assert thing.parent is not None
        living = self.siblings(thing.parent, living=True)
        return sum((each.rank or "") < (thing.rank or "") for each in living)

    def taken(self, parent: str, *, but: Thing) -> list[str]:
        """The ranks under a parent, in their order."""
        ranks = {each.rank or "" for each in self.siblings(parent) if each is not but}
        return sorted(ranks | self.left.get(parent, set()))

    def rank_at(self, thing: Thing, parent: str, index: int | None) -> str:
        """The rank at an index among the living, right after the one before; at most the last."""
        taken = self.taken(parent, but=thing)
        living = [each for each in self.siblings(parent, living=True) if each.id != thing.id]
        at = len(taken)
        if index is not None and index < len(living):
            at = taken.index(living[index - 1].rank or "") + 1 if index else 0
        low = taken[at - 1] if at else None
        return between(low, taken[at] if at < len(taken) else None)
