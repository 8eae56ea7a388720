"""The bars: what is measured, by which function, and what Scriptorium must reach."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from tests.bench import live, stored
from tests.bench.run import Measure


class Against(Enum):
    """What a bar's limit is compared with."""

    NOTHING = "absolute"
    HOCUSPOCUS = "times Hocuspocus"


@dataclass(frozen=True, slots=True)
class Bar:
    """A promise about one figure of Scriptorium."""

    figure: str
    limit: float
    against: Against = Against.NOTHING
    at_least: bool = False

    def met(self, value: float, rival: float | None) -> bool | None:
        """Whether *value* keeps the promise; None when the rival was not measured."""
        if self.against is Against.HOCUSPOCUS:
            if not rival:
                return None
            value /= rival
        return value >= self.limit if self.at_least else value < self.limit

    def __str__(self) -> str:
        """The promise in words, such as `p95_ms < 10`."""
        sign = ">=" if self.at_least else "<"
        times = " x Hocuspocus" if self.against is Against.HOCUSPOCUS else ""
        return f"{self.figure} {sign} {self.limit:g}{times}"


@dataclass(frozen=True, slots=True)
class Scenario:
    """One question put to every system."""

    name: str
    measure: Measure
    bars: Sequence[Bar]

    @property
    def title(self) -> str:
        """The first line of the measuring function's docstring."""
        return (self.measure.__doc__ or self.name).splitlines()[0]


def _cost(limit: float) -> Bar:
    return Bar("cpu_s_per_1000_deliveries", limit, Against.HOCUSPOCUS)


def _most(limit: float) -> Bar:
    return Bar("edits_per_s", limit, Against.HOCUSPOCUS, at_least=True)


SCENARIOS = (
    Scenario("duet", live.duet, [Bar("p95_ms", 10)]),
    Scenario("audience", live.audience, [Bar("p95_ms", 35), _cost(1.5)]),
    Scenario("one-room-limit", live.one_room_limit, [_most(1.5)]),
    Scenario("fifty-rooms-limit", live.fifty_rooms_limit, [_most(1.5)]),
    Scenario("cold-load", stored.cold_load, [Bar("p95_ms", 50)]),
    Scenario("idle-rooms", stored.idle_rooms, [Bar("kb_per_room", 50)]),
    Scenario(
        "join-storm",
        stored.join_storm,
        [Bar("unserved", 1), Bar("all_served_s", 10), Bar("edit_max_ms", 100)],
    ),
    Scenario(
        "start-and-idle",
        stored.start_and_idle,
        [Bar("ready_s", 5), Bar("idle_cpu_percent", 5), Bar("memory_mb", 700)],
    ),
    Scenario("many-rooms", live.many_rooms, [_cost(1.5)]),
    Scenario("crash", stored.crash, [Bar("lost", 1)]),
)
