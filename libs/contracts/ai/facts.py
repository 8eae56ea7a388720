"""Facts that the ai service announces about runs.

They go through its outbox to the stream AI, on the subjects
`scriptorium.v1.ai.ai.<action>.<project>`. They are facts beside the log of
events: the tables of the ai service are the truth about a run.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from libs.contracts.ai.runs import RunError
from libs.contracts.wire import Wire


class RunEvent(Wire):
    """A fact about the run `aggregate_id`; `user_id` is the person who began it."""

    id: UUID
    aggregate_id: UUID
    aggregate_type: str
    event_type: str
    project_id: UUID
    user_id: UUID
    data: dict[str, Any]
    timestamp: datetime
    version: int


class RunAnnouncement(Wire):
    """A fact on the bus and its place in the commit order of the facts about runs."""

    position: int
    event: RunEvent


class RunFact(Wire):
    """Of a run: its kind, where it works, and how often a worker took it up."""

    kind: str
    book_id: UUID | None
    scene_id: UUID | None
    attempt: int


class StepFact(RunFact):
    """Of a recorded step: its number and its name."""

    seq: int
    name: str


class EndFact(RunFact):
    """Of a run that ended: its cost, and the reason if it failed."""

    cost_usd: str
    tokens_in: int
    tokens_out: int
    error: RunError | None


class EnrichmentFact(RunFact):
    """Of an enrichment: how many names and scenes it has."""

    names: int
    scenes: int


@dataclass(frozen=True, slots=True)
class FactType:
    """A type of fact: a sentence about it, and the model of its data."""

    description: str
    data: type[Wire]


FACTS: dict[str, FactType] = {
    "ai.run_started": FactType("A worker took the run up, for the first time or again.", RunFact),
    "ai.step_completed": FactType("The result of a step is recorded.", StepFact),
    "ai.run_completed": FactType("The run is completed; its output can be read.", EndFact),
    "ai.run_failed": FactType("The run failed.", EndFact),
    "ai.run_cancelled": FactType("The run was cancelled.", EndFact),
    "ai.enrichment_completed": FactType("The manuscript was analysed.", EnrichmentFact),
}
"""Every type of fact, by its name."""
