"""A scene is not told from the point of view, or not in the tense, that is recorded for it."""

from collections.abc import Iterator

from services.ai.offline.continuity.story import Clash, Story, titled
from services.ai.offline.telling import evidence_of, telling_of

_SAME = {"THIRD_LIMITED": "THIRD", "THIRD_OMNISCIENT": "THIRD", "EPISTOLARY": "FIRST"}
"""Points of view that rules cannot tell apart."""
_UNKNOWN = ("STREAM", "MIXED")
"""What is recorded and says nothing about pronouns or verbs."""


def tellings(story: Story) -> Iterator[Clash]:
    """Yield scenes that read otherwise than recorded."""
    for scene in story.scenes:
        record = story.record(scene)
        if record.pov is None and record.tense is None:
            continue
        read = telling_of(scene)
        if record.pov and read.pov and record.pov not in _UNKNOWN:
            meant = _SAME.get(record.pov, record.pov)
            found = _SAME.get(read.pov, read.pov)
            if meant != found:
                quotes = evidence_of(scene, pov=found)
                message = (
                    f"{titled(scene)} is recorded as {record.pov}; its pronouns read as {found}."
                    " Which is meant?"
                )
                if len(quotes) == 2:
                    yield Clash("viewpoint_differs", False, message, (quotes[0], quotes[1]))
        if record.tense and read.tense and record.tense not in _UNKNOWN:
            if record.tense == read.tense:
                continue
            quotes = evidence_of(scene, tense=read.tense)
            message = (
                f"{titled(scene)} is recorded as {record.tense}; its verbs read as {read.tense}."
                " Which is meant?"
            )
            if len(quotes) == 2:
                yield Clash("tense_differs", False, message, (quotes[0], quotes[1]))
