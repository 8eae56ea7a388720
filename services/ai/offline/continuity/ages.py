"""A character is younger in a later scene than in an earlier one."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from services.ai.offline.continuity.story import Clash, Story, titled
from services.ai.offline.mentions import EntityMention
from services.ai.offline.words import Span

_UNITS = [
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
    "thirteen",
    "fourteen",
    "fifteen",
    "sixteen",
    "seventeen",
    "eighteen",
    "nineteen",
]
_TENS = ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]
_NUMBERS = (
    {word: number for number, word in enumerate(_UNITS, start=1)}
    | {word: 10 * number for number, word in enumerate(_TENS, start=2)}
    | {
        f"{ten}-{unit}": 10 * tens + units
        for tens, ten in enumerate(_TENS, start=2)
        for units, unit in enumerate(_UNITS[:9], start=1)
    }
)

_NUMBER = r"(\d{1,3}|[a-z]+(?:-[a-z]+)?)"
_AGE = re.compile(
    rf"^(?:,?\s+(?:who\s+)?(?:is|was)\s+(?:now\s+|then\s+)?{_NUMBER}\s+years?\s+(?:old|of\s+age)\b"
    rf"|,?\s+aged\s+{_NUMBER}\b|,\s+{_NUMBER}\s+years?\s+old\b)"
)


@dataclass(frozen=True, slots=True)
class _Age:
    years: int
    sentence: Span


def ages(story: Story) -> Iterator[Clash]:
    """Yield characters whose age goes back, each once."""
    for entity in story.entities:
        told = [
            age
            for scene in story.scenes
            for mention in story.of(scene, entity.id)
            if (age := _age_of(mention)) is not None
        ]
        for at, later in enumerate(told):
            older = [one for one in told[:at] if one.years > later.years]
            if older:
                one = older[0]
                message = (
                    f"{entity.name} is {one.years} in {titled(one.sentence.scene)} and"
                    f" {later.years} in {titled(later.sentence.scene)}, which comes later. Is it"
                    " told out of order?"
                )
                quotes = (one.sentence, later.sentence)
                yield Clash("age_goes_back", False, message, quotes, (entity.id,))
                break


def _age_of(mention: EntityMention) -> _Age | None:
    span = mention.span
    after = span.scene.blocks[span.block].text[span.end : span.end + 60]
    found = _AGE.match(after)
    if not found:
        return None
    word = next(group for group in found.groups() if group)
    years = int(word) if word.isdecimal() else _NUMBERS.get(word)
    return None if years is None else _Age(years, span.sentence())
