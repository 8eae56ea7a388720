"""A manuscript with its canon, as rules read it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any
from uuid import UUID

from services.ai.offline.mentions import EntityMention, Finder, Named
from services.ai.offline.words import SceneText, Span


@dataclass(frozen=True, slots=True)
class Canon:
    """A fact of canon: a statement about an entity, where readers learn it, and its source.

    `snippet` are the words of the scene `source` that the statement was taken from.
    """

    id: UUID
    entity: UUID
    statement: str
    reveal_state: str = "HIDDEN"
    reveal_scene: UUID | None = None
    source: UUID | None = None
    snippet: str | None = None


@dataclass(frozen=True, slots=True)
class Recorded:
    """What is recorded of a scene: its point of view, its tense, and the roles of entities."""

    pov: str | None = None
    tense: str | None = None
    roles: Mapping[UUID, str] = field(default_factory=dict[UUID, str])
    book: UUID | None = None


@dataclass(frozen=True, slots=True)
class CanonQuote:
    """Words of canon: a fact's statement, or a trait of an entity."""

    text: str
    fact: UUID | None = None
    entity: UUID | None = None


type Evidence = Span | CanonQuote


@dataclass(frozen=True, slots=True)
class Clash:
    """Two quotes that do not go together (`states`), or may not."""

    kind: str
    states: bool
    message: str
    quotes: tuple[Evidence, Evidence]
    entities: tuple[UUID, ...] = ()
    fact: UUID | None = None


@dataclass(frozen=True)
class Story:
    """The scenes in their order, what is recorded of them, the entities, and canon."""

    scenes: Sequence[SceneText]
    entities: Sequence[Named] = ()
    facts: Sequence[Canon] = ()
    recorded: Mapping[UUID, Recorded] = field(default_factory=dict[UUID, Recorded])
    traits: Mapping[UUID, Mapping[str, Any]] = field(default_factory=dict[UUID, Mapping[str, Any]])

    @cached_property
    def order(self) -> Mapping[UUID, int]:
        """The place of each scene in the manuscript."""
        return {scene.id: number for number, scene in enumerate(self.scenes)}

    @cached_property
    def mentions(self) -> Mapping[UUID, list[EntityMention]]:
        """The mentions of entities, by scene."""
        finder = Finder(self.entities)
        return {scene.id: finder.in_scene(scene) for scene in self.scenes}

    @cached_property
    def by_id(self) -> Mapping[UUID, Named]:
        """The entities."""
        return {entity.id: entity for entity in self.entities}

    def record(self, scene: SceneText) -> Recorded:
        """Return what is recorded of a scene."""
        return self.recorded.get(scene.id, Recorded())

    def scene(self, scene: UUID | None) -> SceneText | None:
        """Return a scene of this manuscript."""
        number = self.order.get(scene) if scene else None
        return None if number is None else self.scenes[number]

    def of(self, scene: SceneText, entity: UUID) -> list[EntityMention]:
        """Return the mentions of an entity in a scene."""
        return [each for each in self.mentions[scene.id] if each.entity.id == entity]

    def is_later(self, scene: SceneText, than: SceneText) -> bool:
        """Whether a scene comes later in the same book."""
        same = self.record(scene).book == self.record(than).book
        return same and self.order[scene.id] > self.order[than.id]


def find(scene: SceneText, words: str) -> Span | None:
    """Return where words stand in a scene, without regard to spaces and forms of quotes."""
    wanted = _plain(words).strip()
    if not wanted:
        return None
    for number, block in enumerate(scene.blocks):
        at = _plain(block.text).find(wanted)
        if at >= 0:
            return Span(scene, number, at, at + len(wanted))
    return None


_SAME = str.maketrans({"’": "'", "‘": "'", "“": '"', "”": '"', "\u00a0": " ", "\n": " ", "\t": " "})


def _plain(text: str) -> str:
    """Return a text of the same length, with one form of each sign."""
    return text.translate(_SAME)


def titled(scene: SceneText) -> str:
    """Return how to call a scene in a sentence."""
    return f"“{scene.title}”" if scene.title else "a scene without a title"
