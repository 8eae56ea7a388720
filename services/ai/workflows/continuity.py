"""Compares a manuscript with its canon and with itself."""

import asyncio

from libs.bus import Caller
from libs.contracts.ai.findings import Finding
from libs.contracts.ai.runs import RunOutput
from libs.contracts.wire import Wire
from services.ai.offline import NOTE
from services.ai.offline.continuity import clashes
from services.ai.offline.continuity.story import Story
from services.ai.reading.bible import read_bible
from services.ai.reading.manuscript import Manuscript
from services.ai.runs.steps import Steps
from services.ai.runs.worker import Outcome
from services.ai.store import Claimed
from services.ai.workflows.outline import actor_of, outline, texts
from services.ai.workflows.quoting import finding_of

FINDINGS_MAX = 500


class Findings(Wire):
    """What was found, and how much there is no room for."""

    findings: list[Finding]
    omitted: int


class Continuity:
    """The workflow of `continuity`."""

    def __init__(self, caller: Caller) -> None:
        """Ask over *caller*."""
        self._caller = caller
        self._manuscript = Manuscript(caller)

    async def run(self, claimed: Claimed, steps: Steps) -> Outcome:
        """Read, compare, and tell. Raises as `Enrich.run`."""
        places = (await outline(self._manuscript, claimed, steps)).scenes

        async def compare() -> Findings:
            scenes = await texts(self._manuscript, claimed, steps, places)
            bible = await read_bible(self._caller, actor_of(claimed))
            story = Story(scenes, bible.entities, bible.facts, bible.recorded, bible.traits)
            return await asyncio.to_thread(_findings, story)

        found = await steps.do("compare", Findings, compare)
        return Outcome(RunOutput(note=NOTE, findings=found.findings, omitted=found.omitted))


def _findings(story: Story) -> Findings:
    found = clashes(story)
    return Findings(
        findings=[finding_of(clash) for clash in found[:FINDINGS_MAX]],
        omitted=max(0, len(found) - FINDINGS_MAX),
    )
