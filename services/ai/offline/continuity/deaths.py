"""A character speaks in a scene after the one that tells of the death."""

import re
from collections.abc import Iterator

from services.ai.offline.continuity.story import Canon, Clash, Story, find, titled
from services.ai.offline.mentions import Named
from services.ai.offline.words import SceneText, Span

_DEATH = (
    r"(?:dies|died|is dead|was (?:killed|murdered|executed|hanged|slain)"
    r"|is (?:killed|murdered|executed|hanged|slain|strangled)|was strangled|drowns|drowned)\b"
)
_DOUBT = re.compile(
    r"\b(?:not|never|nearly|almost|if|would|will|believed?|thought|presumed|pretends?|feigns?|fakes?"
    r"|seems?|said to|rumou?red|dreams?|fears?|until|before|when|after)\b",
    re.IGNORECASE,
)
_WORD_OF_DEATH = re.compile(
    r"\b(?:die[sd]?|dead|death|killed|murder(?:ed|er)?|executed|hanged|slain|strangled|corpse|body"
    r"|lifeless|drowned|grave|perished)\b",
    re.IGNORECASE,
)


def deaths(story: Story) -> Iterator[Clash]:
    """Yield characters who speak after their death, once for each scene."""
    for fact in story.facts:
        entity = story.by_id.get(fact.entity)
        scene = story.scene(fact.reveal_scene or fact.source)
        if entity is None or scene is None or not _is_death(fact.statement, entity):
            continue
        told = _place_of(story, scene, fact, entity)
        if told is None:
            continue
        for later in story.scenes:
            if story.is_later(later, than=scene):
                yield from _in_scene(story, fact, entity, told, later)


def _is_death(statement: str, entity: Named) -> bool:
    """Return whether a statement says that the entity itself dies, without a doubt."""
    names = "|".join(re.escape(name) for name in (entity.name, *entity.aliases))
    subject = rf"^\s*(?:(?:{names}|he|she|they)\s+)?"
    return bool(re.match(subject + _DEATH, statement, re.IGNORECASE)) and not _DOUBT.search(
        statement
    )


def _place_of(story: Story, scene: SceneText, fact: Canon, entity: Named) -> Span | None:
    """Return the words of a scene that tell of the death."""
    if fact.snippet and (span := find(scene, fact.snippet)):
        return span
    for mention in story.of(scene, entity.id):
        sentence = mention.span.sentence()
        if _WORD_OF_DEATH.search(sentence.text):
            return sentence
    return None


def _in_scene(
    story: Story, fact: Canon, entity: Named, told: Span, later: SceneText
) -> Iterator[Clash]:
    mentions = story.of(later, entity.id)
    role = story.record(later).roles.get(entity.id)
    speaking = next((each for each in mentions if each.speaks), None)
    recorded = role in ("SPEAKING", "POV")
    shown = speaking or (mentions[0] if mentions else None)
    if shown is None or not (recorded or speaking):
        return
    where = f"{titled(later)}, which comes later"
    if recorded:
        message = (
            f"Canon says: {fact.statement} That is told in {titled(told.scene)}; {entity.name} is"
            f" recorded as {role} in {where}."
        )
    else:
        message = (
            f"Canon says: {fact.statement} That is told in {titled(told.scene)}; {entity.name}"
            f" seems to speak in {where}. Is it a memory, or told out of order?"
        )
    yield Clash(
        "acts_after_death",
        recorded,
        message,
        (told, shown.span.sentence()),
        (entity.id,),
        fact.id,
    )
