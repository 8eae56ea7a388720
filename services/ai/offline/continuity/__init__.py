"""Compares a manuscript with its canon and with itself, by rules.

Each rule is a function from `Story` to findings. A finding has two quotes. It *states* only what
both quotes say word for word, or what is recorded; everything else *asks* the author.
"""

from collections.abc import Callable, Iterator

from services.ai.offline.continuity.ages import ages
from services.ai.offline.continuity.deaths import deaths
from services.ai.offline.continuity.reveals import reveals
from services.ai.offline.continuity.spellings import spellings
from services.ai.offline.continuity.story import Clash, Story
from services.ai.offline.continuity.tellings import tellings
from services.ai.offline.continuity.traits import traits

RULES: tuple[Callable[[Story], Iterator[Clash]], ...] = (
    deaths,
    reveals,
    traits,
    ages,
    spellings,
    tellings,
)


def clashes(story: Story) -> list[Clash]:
    """Return what the rules find, the certain ones first."""
    found = [clash for rule in RULES for clash in rule(story)]
    return sorted(found, key=lambda clash: not clash.states)
