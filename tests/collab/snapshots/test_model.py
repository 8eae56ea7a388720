"""What a snapshot is worth, as pure functions; and the canonical form of a state."""

import itertools
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from pycrdt import Doc, Text, merge_updates

from libs.contracts.collab.persistence import Freshness, HealthStatus, SceneState, Severity
from services.collab import updates
from services.collab.snapshots import model, rendering
from services.collab.snapshots.measuring import graded, worst

NOW = datetime(2026, 1, 1, tzinfo=UTC)
LIMITS = model.Thresholds(stale_s=300, very_stale_s=1800)
ORDER = list(SceneState)


def test_freshness_goes_by_age_unless_nothing_changed():
    def at(age_s: float, *, complete: bool = False) -> Freshness:
        taken = NOW - timedelta(seconds=age_s)
        return model.freshness(taken, NOW, LIMITS, complete=complete)

    assert [at(0), at(299), at(300), at(1799), at(1800)] == [
        Freshness.FRESH,
        Freshness.FRESH,
        Freshness.STALE,
        Freshness.STALE,
        Freshness.VERY_STALE,
    ]
    assert at(1e6, complete=True) is Freshness.FRESH
    assert model.freshness(None, NOW, LIMITS, complete=True) is Freshness.NEVER


def life(head: int, first: int | None, compacted: bool, pruned: bool) -> SceneState:
    return model.state_of(head=head, first_snapshot_seq=first, compacted=compacted, pruned=pruned)


def test_a_scene_goes_through_its_life():
    """The path of the source, step by step."""
    steps = [
        (0, None, False, False),
        (1, None, False, False),
        (1, 1, False, False),
        (2, 1, False, False),
        (500, 1, True, False),
        (900, 1, True, True),
    ]

    assert [life(*step) for step in steps] == ORDER


def test_no_transition_leads_back():
    """Whatever grows in the database (head, first snapshot, compaction, pruning), the state does
    not fall: over all pairs of what can be stored."""
    stored = [
        (head, first, compacted, pruned)
        for head in range(4)
        for first in (None, 1, 2, 3)
        for compacted in (False, True)
        for pruned in (False, True)
        if (first is None or first <= head) and (head or not compacted) and compacted >= pruned
    ]
    for before, after in itertools.product(stored, stored):
        grows = (
            after[0] >= before[0]
            and (before[1] is None or after[1] == before[1])
            and after[2] >= before[2]
            and after[3] >= before[3]
        )
        if grows:
            assert ORDER.index(life(*after)) >= ORDER.index(life(*before)), (before, after)


def test_the_worst_figure_decides_the_status():
    assert [graded(v, 0.1, 1.0) for v in (None, 0.1, 0.5, 1.0, 1.1)] == [
        HealthStatus.HEALTHY,
        HealthStatus.HEALTHY,
        HealthStatus.DEGRADED,
        HealthStatus.DEGRADED,
        HealthStatus.UNHEALTHY,
    ]
    assert worst(HealthStatus.DEGRADED, HealthStatus.HEALTHY) is HealthStatus.DEGRADED


edits = st.lists(
    st.tuples(
        st.integers(0, 2), st.integers(0, 30), st.integers(0, 4), st.text(min_size=0, max_size=4)
    ),
    min_size=1,
    max_size=25,
)


def history(found: list[tuple[int, int, int, str]]) -> list[bytes]:
    """Updates of three writers who see each other now and then."""
    docs: list[Doc[Any]] = [Doc(client_id=number + 1) for number in range(3)]
    made: list[bytes] = []
    for writer, at, gone, text in found:
        doc = docs[writer]
        for update in made[:: 1 + at % 3]:
            doc.apply_update(update)
        body = doc.get("content", type=Text)
        before = doc.get_state()
        place = min(at, len(body))
        with doc.transaction():
            if gone and place + gone <= len(body):
                del body[place : place + gone]
            if text.isascii():
                body.insert(place, text)
        made.append(doc.get_update(before))
    return made


@given(edits, st.randoms())
def test_the_checksum_is_the_same_whoever_computes_it(
    found: list[tuple[int, int, int, str]], random: Any
):
    """Whatever the order and grouping in which the same updates came together."""
    made = history(found)
    whole, _ = updates.integrate(made)
    shuffled = made[:]
    random.shuffle(shuffled)
    middle = len(made) // 2
    halves = [updates.integrate(part)[0] for part in (made[:middle], made[middle:]) if part]
    doc: Doc[Any] = Doc()
    doc.apply_update(merge_updates(*shuffled))

    sums = {
        rendering.render(state).checksum
        for state in (whole, updates.merge(made), merge_updates(*halves), doc.get_update())
    }
    assert len(sums) == 1


def test_the_checksum_sees_deletions_and_words():
    """Deletions do not move a clock, and yet are part of what a document is."""
    doc: Doc[Any] = Doc(client_id=1)
    doc["content"] = text = Text()
    text += "abc"
    before = rendering.render(doc.get_update())
    del text[1:2]
    after = rendering.render(doc.get_update())
    other: Doc[Any] = Doc(client_id=1)
    other["content"] = Text("axc")

    assert before.position != after.position
    assert before.checksum != after.checksum
    assert rendering.render(other.get_update()).checksum != before.checksum


def test_what_waits_for_a_predecessor_does_not_count():
    """Nobody can see it, and a replica may or may not have it."""
    doc: Doc[Any] = Doc(client_id=1)
    doc["content"] = text = Text()
    text += "a"
    early, vector = doc.get_update(), doc.get_state()
    text += "b"
    middle = doc.get_state()
    text += "c"
    waiting = merge_updates(early, doc.get_update(middle))

    assert vector != middle
    assert rendering.render(waiting).checksum == rendering.render(early).checksum


def block(kind: str, text: str) -> dict[str, Any]:
    return {"type": kind, "children": [{"text": text}]}


kinds = st.sampled_from(["action", "dialogue"])
blocks = st.lists(st.builds(block, kinds, st.text(max_size=3)), max_size=12)


@given(blocks, blocks)
def test_differences_are_bounded_and_graded(yjs: list[dict[str, Any]], rest: list[dict[str, Any]]):
    found = model.compare(yjs, rest)
    grade = model.severity(found, len(yjs), len(rest))
    same = [b["children"] for b in yjs] == [b["children"] for b in rest]

    assert (found.differing == 0) == (yjs == rest)
    assert found.reads_differently <= found.differing
    assert len(found.shown) <= model.DIFF_BLOCKS_MAX
    if same:
        assert grade is Severity.MINOR
    elif bool(yjs) != bool(rest):
        assert grade is Severity.CRITICAL
    else:
        assert grade is not Severity.MINOR or found.reads_differently == 0


def test_damaged_content_is_no_way_to_fill_memory():
    """The length that a damaged frame claims is not believed."""
    packed = rendering.pack([{"type": "action", "children": [{"text": "x" * 1000}]}]).packed

    assert rendering.unpack(packed.content, packed.size_bytes)
    assert rendering.unpack(packed.content, packed.size_bytes + 1) is None
    assert rendering.unpack(b"\x00" + packed.content, packed.size_bytes) is None
    assert rendering.unpacked(packed.content[:-3], packed.size_bytes) is None
