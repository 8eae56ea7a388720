"""Words that reveal a fact stand in a scene before the one that is to reveal it."""

import re
from collections.abc import Iterator

from services.ai.offline.common_words import COMMON
from services.ai.offline.continuity.story import Canon, Clash, Story, find, titled
from services.ai.offline.words import WORD, SceneText, Span

SNIPPET_WORDS_MIN = 4
"""Fewer words may stand anywhere by chance."""
TERMS_MIN = 3
"""Words of a fact that one sentence must have to say it."""


def reveals(story: Story) -> Iterator[Clash]:
    """Yield facts that are told too early, each once."""
    for fact in story.facts:
        scene = story.scene(fact.reveal_scene)
        if scene is None or fact.reveal_state != "REVEALED":
            continue
        later = _told_in(story, fact, scene)
        if later is None:
            continue
        earlier = [each for each in story.scenes if story.is_later(scene, than=each)]
        clash = _verbatim(fact, earlier, later) or _in_other_words(story, fact, earlier, later)
        if clash:
            yield clash


def _told_in(story: Story, fact: Canon, scene: SceneText) -> Span | None:
    """Return the words that reveal a fact in its scene."""
    if fact.snippet and (span := find(scene, fact.snippet)):
        return span
    return _sentence_saying(story, fact, scene) or _first_mention(story, fact, scene)


def _first_mention(story: Story, fact: Canon, scene: SceneText) -> Span | None:
    mentions = story.of(scene, fact.entity)
    return mentions[0].span.sentence() if mentions else None


def _verbatim(fact: Canon, earlier: list[SceneText], later: Span) -> Clash | None:
    if not fact.snippet or len(WORD.findall(fact.snippet)) < SNIPPET_WORDS_MIN:
        return None
    for scene in earlier:
        if early := find(scene, fact.snippet):
            return _clash(fact, early, later, states=True)
    return None


def _in_other_words(
    story: Story, fact: Canon, earlier: list[SceneText], later: Span
) -> Clash | None:
    for scene in earlier:
        if early := _sentence_saying(story, fact, scene):
            return _clash(fact, early, later, states=False)
    return None


def _clash(fact: Canon, early: Span, later: Span, *, states: bool) -> Clash:
    revealed = f"is revealed in {titled(later.scene)}"
    if states:
        message = f"The fact “{fact.statement}” {revealed}; its words stand in an earlier scene,"
        message += f" {titled(early.scene)}."
    else:
        message = f"The fact “{fact.statement}” {revealed}. Does {titled(early.scene)}, which comes"
        message += " earlier, give it away?"
    return Clash("told_before_reveal", states, message, (early, later), (fact.entity,), fact.id)


def _sentence_saying(story: Story, fact: Canon, scene: SceneText) -> Span | None:
    """Return a sentence that names the entity and has all telling words of the fact."""
    entity = story.by_id.get(fact.entity)
    if entity is None:
        return None
    own = {word.lower() for name in (entity.name, *entity.aliases) for word in WORD.findall(name)}
    terms = {
        word.lower()
        for word in WORD.findall(fact.statement)
        if len(word) > 2 and word.lower() not in COMMON and word.lower() not in own
    }
    if len(terms) < TERMS_MIN:
        return None
    for mention in story.of(scene, fact.entity):
        sentence = mention.span.sentence()
        lowered = sentence.text.lower()
        if all(re.search(rf"\b{re.escape(_stem(term))}", lowered) for term in terms):
            return sentence
    return None


def _stem(term: str) -> str:
    """Return the beginning of a word that its other forms share."""
    return term[:-2] if len(term) > 6 else term.rstrip("s")
