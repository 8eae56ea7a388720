"""Dead letters: facts that a consumer gave up, kept in a stream until a person decides."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from libs.contracts import subjects

CAUSE = "scriptorium-cause"
CONSUMER = "scriptorium-subscriber"
DELIVERIES = "scriptorium-deliveries"

CAUSE_CHARS_MAX = 500
TAKEN = b"ok"
"""A consumer's answer to a replay that it processed."""


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """One of them; `seq` is its number in the stream."""

    seq: int
    consumer: str
    subject: str
    cause: str
    deliveries: int
    at: datetime
    data: bytes


def subject_of(consumer: str, subject: str) -> str:
    """Return where a fact of *subject* lies that *consumer* gave up."""
    return f"{subjects.DEAD_LETTERS}.{consumer}.{subject}"


def headers_of(consumer: str, cause: str, deliveries: int) -> dict[str, str]:
    """Return what is noted beside a dead letter."""
    return {
        CAUSE: " ".join(cause.split())[:CAUSE_CHARS_MAX],
        CONSUMER: consumer,
        DELIVERIES: str(deliveries),
    }


def read(
    seq: int, subject: str, headers: Mapping[str, str], at: datetime, data: bytes
) -> DeadLetter:
    """Return a message of the stream as a dead letter."""
    _, consumer, original = subject.split(".", 2)
    return DeadLetter(
        seq=seq,
        consumer=headers.get(CONSUMER, consumer),
        subject=original,
        cause=headers.get(CAUSE, "unknown"),
        deliveries=int(headers.get(DELIVERIES, "0")),
        at=at,
        data=data,
    )
