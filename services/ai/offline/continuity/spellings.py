"""Two names differ by so little that one may be a slip; rules cannot know, so they ask."""

from collections.abc import Iterator

from services.ai.offline.continuity.story import Clash, Story
from services.ai.offline.names import UNKNOWN, Name, find_names

LETTERS_MIN = 5
RARE_MAX = 2
"""Mentions of a name that may be a slip."""
TIMES_MIN = 4
"""How much more often the other one is mentioned."""


def spellings(story: Story) -> Iterator[Clash]:
    """Yield pairs of names that differ by one letter, one of which is rare."""
    known = {name for entity in story.entities for name in (entity.name, *entity.aliases)}
    names = find_names(story.scenes)
    by_word = {word: name for name in names for word in name.forms if " " not in word}
    for rare in names:
        if len(rare.mentions) > RARE_MAX or " " in rare.name or rare.name in known:
            continue
        usual = next((each for each in by_word.values() if _is_slip(rare, each)), None)
        if usual is None:
            continue
        word = next(word for word in usual.forms if _one_apart(rare.name, word))
        first = next(span for span in usual.mentions if span.text == word)
        message = f"Is “{rare.name}” meant to be “{word}”, which the text has much more often?"
        yield Clash(
            "spelling_differs", False, message, (rare.mentions[0].sentence(), first.sentence())
        )


def _is_slip(rare: Name, usual: Name) -> bool:
    same_kind = UNKNOWN in (rare.kind, usual.kind) or rare.kind == usual.kind
    often = len(usual.mentions) >= TIMES_MIN * len(rare.mentions)
    return same_kind and often and any(_one_apart(rare.name, word) for word in usual.forms)


def _one_apart(one: str, other: str) -> bool:
    """Return whether two words differ by one letter that is changed, left out or swapped."""
    if one == other or min(len(one), len(other)) < LETTERS_MIN or one[0] != other[0]:
        return False
    if {one, other} in ({one, one + "s"}, {other, other + "s"}):
        return False
    if abs(len(one) - len(other)) > 1:
        return False
    begin = next((at for at, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), None)
    if begin is None:
        return True
    rest, rest_other = one[begin:], other[begin:]
    swapped = rest[:2] == rest_other[:2][::-1] and rest[2:] == rest_other[2:]
    return (
        rest[1:] == rest_other[1:]
        or rest[1:] == rest_other
        or rest == rest_other[1:]
        or (len(one) == len(other) and swapped)
    )
