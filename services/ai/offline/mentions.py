"""Finds the entities of a project in its texts, by name and alias."""

import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from services.ai.offline import vocabulary as v
from services.ai.offline.words import SceneText, Span, without_speech

NAME_CHARS_MIN = 2
_SAYS = "|".join(sorted(v.SPEECH_VERBS - {"called", "told", "began", "returned"}))
_SAID_BEFORE = re.compile(rf"\b(?:{_SAYS})\s+(?:\w+\.?\s+)?$")
_SAYS_AFTER = re.compile(rf"^\s+(?:{_SAYS})\b")


@dataclass(frozen=True, slots=True)
class Named:
    """An entity, and the names by which texts mention it."""

    id: UUID
    name: str
    aliases: Sequence[str] = ()
    type: str = "character"


@dataclass(frozen=True, slots=True)
class EntityMention:
    """A mention of an entity; `speaks` says that the words beside it make it the speaker."""

    entity: Named
    span: Span
    speaks: bool


class Finder:
    """Finds entities; a name that two of them share finds neither."""

    def __init__(self, entities: Sequence[Named]) -> None:
        """Find *entities*."""
        owners: defaultdict[str, set[int]] = defaultdict(set)
        for number, entity in enumerate(entities):
            for name in (entity.name, *entity.aliases):
                if len(name) >= NAME_CHARS_MIN:
                    owners[name].add(number)
                    owners[name.upper()].add(number)
        self._by_name = {
            name: entities[min(owner)] for name, owner in owners.items() if len(owner) == 1
        }
        names = sorted(self._by_name, key=lambda name: (-len(name), name))
        choices = "|".join(re.escape(name) for name in names)
        self._pattern = re.compile(rf"(?<!\w)(?:{choices})(?!\w)") if names else None

    def in_scene(self, scene: SceneText) -> list[EntityMention]:
        """Return the mentions of a scene, in their order."""
        if self._pattern is None:
            return []
        found: list[EntityMention] = []
        for number, block in enumerate(scene.blocks):
            outside: str | None = None
            for match in self._pattern.finditer(block.text):
                outside = without_speech(block.text) if outside is None else outside
                span = Span(scene, number, match.start(), match.end())
                speaks = block.type == "character" or _is_speaker(outside, span)
                found.append(EntityMention(self._by_name[match[0]], span, speaks))
        return found


def _is_speaker(outside: str, span: Span) -> bool:
    if outside[span.start : span.end].isspace():
        return False
    before, after = outside[: span.start], outside[span.end :]
    return bool(_SAID_BEFORE.search(before[-40:]) or _SAYS_AFTER.match(after[:40]))


def counted(mentions: Sequence[EntityMention]) -> Counter[UUID]:
    """Return how often each entity is mentioned."""
    return Counter(mention.entity.id for mention in mentions)
