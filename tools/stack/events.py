"""Events that the launcher reports while it works."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum


class What(Enum):
    """The moments of a part's life worth a line."""

    READY = "ready"
    DIED = "died"
    RESTARTED = "restarted"
    UNREADY = "not ready"
    SICK = "sick"
    MENDED = "mended"
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True)
class Event:
    """One moment of one part.

    `seconds` is how long it took (or, after `DIED`, the pause before the restart; None when it
    is held down).
    """

    part: str
    what: What
    seconds: float | None = None
    detail: str = ""


type Tell = Callable[[Event], None]


def nobody_listens(_: Event) -> None:
    """Tell no one."""
