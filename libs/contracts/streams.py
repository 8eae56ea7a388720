"""JetStream streams and buckets as data; `libs.bus.declare` makes the server agree with them."""

from dataclasses import dataclass
from typing import Literal

DAY_S = 86_400


@dataclass(frozen=True, slots=True)
class Stream:
    """One durable stream.

    PostgreSQL is the truth and a stream only delivers, so limits here never lose a fact: any
    stream can be refilled from its service's log.
    """

    name: str
    subjects: tuple[str, ...]
    age_s_max: int
    bytes_max: int
    duplicate_window_s: int = 120
    storage: Literal["file", "memory"] = "file"
    per_subject_max: int = -1
    counter: bool = False
    atomic: bool = False
    """Whether a batch may be stored as one, with one write to the disk."""
    direct: bool = True


@dataclass(frozen=True, slots=True)
class Bucket:
    """One key-value bucket."""

    name: str
    ttl_s: float
    bytes_max: int
    storage: Literal["file", "memory"] = "memory"


EVENTS = Stream(
    name="EVENTS",
    subjects=("scriptorium.v1.events.>",),
    age_s_max=30 * DAY_S,
    bytes_max=4 << 30,
    atomic=True,
)
BLOBS = Stream(
    name="BLOBS",
    subjects=("scriptorium.v1.blobs.>",),
    age_s_max=30 * DAY_S,
    bytes_max=1 << 30,
)
COLLAB = Stream(
    # What happens in the review, beside the log of events.
    name="COLLAB",
    subjects=("scriptorium.v1.collab.>",),
    age_s_max=30 * DAY_S,
    bytes_max=1 << 30,
    atomic=True,
)
AI = Stream(
    # What happens to runs, beside the log of events.
    name="AI",
    subjects=("scriptorium.v1.ai.>",),
    age_s_max=30 * DAY_S,
    bytes_max=1 << 30,
    atomic=True,
)
TEXTS = Stream(
    # That the text of a scene changed: of each scene the newest notice, so that nothing piles up.
    name="TEXTS",
    subjects=("texts.changed.*",),
    age_s_max=30 * DAY_S,
    bytes_max=256 << 20,
    per_subject_max=1,
)
DEAD_LETTERS = Stream(
    name="DEAD_LETTERS", subjects=("dlq.>",), age_s_max=90 * DAY_S, bytes_max=1 << 30
)
LIMITS = Stream(
    # One counter per caller, class and window; losing them on a restart only forgives a minute.
    name="LIMITS",
    subjects=("limits.>",),
    age_s_max=120,
    bytes_max=64 << 20,
    duplicate_window_s=1,
    storage="memory",
    per_subject_max=1,
    counter=True,
)
PERMISSIONS = Bucket(name="permissions", ttl_s=300, bytes_max=64 << 20)

STREAMS = (EVENTS, BLOBS, COLLAB, AI, TEXTS, DEAD_LETTERS, LIMITS)
BUCKETS = (PERMISSIONS,)
