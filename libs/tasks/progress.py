"""Signs of life from a long step, for the task to which the running coroutine belongs."""

from contextvars import ContextVar
from typing import Protocol


class Progressing(Protocol):
    """A task that can be told of progress."""

    def progressed(self, pause_s: float) -> None:
        """Work went on; nothing more is done for *pause_s*."""
        ...


current: ContextVar[Progressing | None] = ContextVar("task", default=None)


def progressed(pause_s: float = 0.0) -> None:
    """Say that the step under way goes on, after a pause; outside of a task this does nothing."""
    if task := current.get():
        task.progressed(pause_s)
