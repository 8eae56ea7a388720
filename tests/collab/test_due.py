"""When the snapshots of changed scenes are due."""

import pytest

from services.collab import due
from services.collab.due import DueScenes

SCENES = [number.to_bytes(2) for number in range(2_000)]


def test_scenes_that_changed_together_are_due_at_times_of_their_own():
    """Spread over the whole time, by chance: one of ten parts of it gets 200 of 2,000."""
    waiting = DueScenes()
    for scene in SCENES:
        waiting.add_between(scene, 100.0, 110.0)

    popped = list(iter(lambda: waiting.pop(110.0), None))
    parts = [0] * 10
    for at, _ in popped:
        parts[int(at - 100)] += 1

    assert {scene for _, scene in popped} == set(SCENES)
    assert [at for at, _ in popped] == sorted(at for at, _ in popped)
    assert min(parts) > 100 and max(parts) < 300  # seven times the standard deviation of 13.4


def test_a_scene_waits_once_and_not_before_its_time():
    waiting = DueScenes()
    waiting.add(b"a", 5.0)
    waiting.add(b"a", 1.0)

    assert waiting.pop(4.9) is None
    assert b"a" in waiting
    assert waiting.pop(5.0) == (5.0, b"a")
    assert waiting.pop(9.0) is None
    waiting.add(b"a", 6.0)
    assert waiting.pop(6.0) == (6.0, b"a")


def test_a_replica_remembers_so_many_scenes(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(due, "SCENES_MAX", 2)
    waiting = DueScenes()
    for scene in SCENES[:3]:
        waiting.add(scene, 1.0)

    assert len(list(iter(lambda: waiting.pop(1.0), None))) == 2
