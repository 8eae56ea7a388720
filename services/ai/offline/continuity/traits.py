"""The colour of eyes or hair differs from canon, or between two places of the text."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from uuid import UUID

from services.ai.offline.continuity.story import CanonQuote, Clash, Evidence, Story, titled
from services.ai.offline.mentions import EntityMention
from services.ai.offline.words import Span

_COLOURS: dict[str, dict[str, str]] = {
    "eyes": {
        "blue": "blue",
        "azure": "blue",
        "green": "green",
        "brown": "brown",
        "hazel": "hazel",
        "grey": "grey",
        "gray": "grey",
        "violet": "violet",
        "amber": "amber",
        "black": "black",
    },
    "hair": {
        "golden": "fair",
        "blond": "fair",
        "blonde": "fair",
        "fair": "fair",
        "flaxen": "fair",
        "yellow": "fair",
        "brown": "brown",
        "chestnut": "brown",
        "auburn": "red",
        "red": "red",
        "ginger": "red",
        "black": "black",
        "raven": "black",
        "grey": "grey",
        "gray": "grey",
        "white": "grey",
        "silver": "grey",
    },
}
"""Words for colours, and those that may mean the same."""
_NEAR = {frozenset(pair) for pair in (("brown", "hazel"), ("brown", "black"), ("brown", "amber"),
    ("hazel", "green"), ("hazel", "amber"), ("blue", "grey"), ("blue", "violet"),
    ("fair", "brown"), ("brown", "red"))}  # fmt: skip
"""Colours between which observers differ."""
_ALL = "|".join(sorted({word for colours in _COLOURS.values() for word in colours}))
_OWNED = re.compile(rf"^['’]s?\s+(?:[a-z\-]+,?\s+){{0,2}}?({_ALL})\s+(eyes|hair)\b")
_OF = re.compile(
    rf"^['’]s?\s+(eyes|hair)\s+(?:was|were|is|are)\s+(?:very\s+)?({_ALL})\b(?!\s+with)"
)
_HAS = re.compile(rf"^\s+(?:has|had)\s+(?:[a-z\-]+,?\s+){{0,2}}?({_ALL})\s+(eyes|hair)\b")
_STATED = re.compile(
    rf"\b(?:({_ALL})\s+(eyes|hair)|(eyes|hair)\s+(?:is|are|was|were)\s+({_ALL}))\b", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class _Said:
    part: str
    word: str
    evidence: Evidence
    fact: UUID | None = None

    @property
    def colour(self) -> str | None:
        return _COLOURS[self.part].get(self.word)


def traits(story: Story) -> Iterator[Clash]:
    """Yield traits that differ; of each entity and part at most one pair."""
    for entity in story.entities:
        canon = list(_of_canon(story, entity.id))
        text = [
            said
            for scene in story.scenes
            for mention in story.of(scene, entity.id)
            if (said := _of_text(mention)) is not None
        ]
        for part in _COLOURS:
            yield from _compared(
                entity.name, entity.id, [s for s in canon if s.part == part],
                [s for s in text if s.part == part],
            )  # fmt: skip


def _compared(
    name: str, entity: UUID, canon: Sequence[_Said], text: Sequence[_Said]
) -> Iterator[Clash]:
    for stated in canon:
        for said in text:
            if _differ(stated, said) and isinstance(said.evidence, Span):
                message = (
                    f"Canon gives {name} {stated.word} {said.part}"
                    f"; {titled(said.evidence.scene)} says {said.word}."
                )
                quotes = (stated.evidence, said.evidence)
                yield Clash("contradicts_canon", True, message, quotes, (entity,), stated.fact)
                return
    for at, one in enumerate(text):
        for other in text[at + 1 :]:
            if _differ(one, other):
                message = (
                    f"{name} has {one.word} {one.part} in one place and {other.word} {other.part}"
                    " in another. Which is meant?"
                )
                yield Clash(
                    "traits_differ", False, message, (one.evidence, other.evidence), (entity,)
                )
                return


def _differ(one: _Said, other: _Said) -> bool:
    colours = one.colour, other.colour
    if None in colours or colours[0] == colours[1]:
        return False
    # Hair turns grey.
    return frozenset(map(str, colours)) not in _NEAR and "grey" not in colours


def _of_text(mention: EntityMention) -> _Said | None:
    span = mention.span
    after = span.scene.blocks[span.block].text[span.end : span.end + 80]
    if found := _OWNED.match(after) or _HAS.match(after):
        return _Said(found[2], found[1], span.sentence())
    if found := _OF.match(after):
        return _Said(found[1], found[2], span.sentence())
    return None


def _of_canon(story: Story, entity: UUID) -> Iterator[_Said]:
    for fact in story.facts:
        if fact.entity == entity and (found := _STATED.search(fact.statement)):
            word, part = (found[1], found[2]) if found[1] else (found[4], found[3])
            quote = CanonQuote(fact.statement, fact=fact.id)
            yield _Said(part.lower(), word.lower(), quote, fact.id)
    for name, value in story.traits.get(entity, {}).items():
        part = next((each for each in _COLOURS if each[:3] in name.lower()), None)
        if part and isinstance(value, str) and value.lower() in _COLOURS[part]:
            yield _Said(part, value.lower(), CanonQuote(f"{name}: {value}", entity=entity))
