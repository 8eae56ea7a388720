"""How gateways choose replicas, and how long they gather edits."""

import uuid

from hypothesis import given
from hypothesis import strategies as st

from services.gateway.live.batch_pacer import SPACING_S_MAX, BatchPacer
from services.gateway.live.replicas import BEAT_DEAD_S, Replicas

NAMES = st.sets(st.sampled_from([f"collab-{number}" for number in range(8)]), min_size=1)
SCENES = [uuid.UUID(int=number * 0x9E37_79B9_7F4A_7C15).bytes for number in range(300)]


class _Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def _replicas(names: set[str], clock: _Clock | None = None) -> Replicas:
    replicas = Replicas(clock or _Clock())
    for name in names:
        replicas.record_beat(name, draining=False)
    return replicas


@given(NAMES, st.permutations(range(8)))
def test_gateways_that_hear_the_same_agree(names: set[str], order: list[int]):
    """In whatever order the heartbeats came."""
    other = Replicas(_Clock())
    for name in sorted(names, key=lambda name: order[int(name[-1])]):
        other.record_beat(name, draining=False)

    assert [_replicas(names).replica_for(scene) for scene in SCENES] == [
        other.replica_for(scene) for scene in SCENES
    ]


@given(NAMES, st.integers(0, 7))
def test_only_the_scenes_of_the_lost_replica_move(names: set[str], which: int):
    """Rendezvous: whoever is left keeps what they had."""
    lost = sorted(names)[which % len(names)]
    before, after = _replicas(names), _replicas(names - {lost})
    for scene in SCENES:
        if before.replica_for(scene) != lost:
            assert after.replica_for(scene) == before.replica_for(scene)
        else:
            assert after.replica_for(scene) in (names - {lost} or {None})


@given(NAMES, NAMES)
def test_draining_and_silent_replicas_get_nothing(names: set[str], draining: set[str]):
    """Those who say goodbye at once, those who fall silent within BEAT_DEAD_S."""
    clock = _Clock()
    replicas = _replicas(names, clock)
    for name in draining:
        replicas.record_beat(name, draining=True)
    assert set(replicas.members) == names - draining
    clock.now += BEAT_DEAD_S + 0.1
    replicas.expire_silent()
    assert replicas.members == ()
    assert replicas.replica_for(SCENES[0]) is None


@given(NAMES)
def test_load_is_shared(names: set[str]):
    """No replica has all the scenes, none has none."""
    replicas = _replicas(names)
    shares = [[replicas.replica_for(scene) for scene in SCENES].count(name) for name in names]

    assert min(shares) > len(SCENES) / len(names) / 3


@given(st.lists(st.tuples(st.floats(0, 10), st.integers(0, 10_000)), max_size=50))
def test_spacing_stays_within_its_bounds(steps: list[tuple[float, int]]):
    """Whatever the load did, and however long ago."""
    pacer, now = BatchPacer(), 0.0
    for passed, deliveries in steps:
        now += passed
        pacer.count_edit(deliveries)

        assert 0 <= pacer.spacing_s(now) <= SPACING_S_MAX


@given(st.integers(1, 2_000))
def test_spacing_follows_the_load_and_is_forgotten(per_tick: int):
    """More load, more spacing; after a pause the first edit goes at once."""
    calm, busy = BatchPacer(), BatchPacer()
    for tick in range(1, 201):
        calm.count_edit(1)
        busy.count_edit(1 + per_tick)
        assert calm.spacing_s(tick / 100) <= busy.spacing_s(tick / 100)

    assert busy.spacing_s(20.0) < 0.001
