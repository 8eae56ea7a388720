"""Originals tell more than what is kept of them, unless there are none or too many."""

from services.collab.review.authorship.plan import Plan, plan

ENOUGH = 1_000
KEPT = [(1, 100), (101, 250), (251, 400)]


def test_originals_are_read_where_they_are() -> None:
    assert plan(KEPT, 1, 500, ENOUGH) == Plan([], [(1, 500)], [])


def test_what_is_kept_serves_where_originals_are_gone() -> None:
    assert plan(KEPT, 101, 500, ENOUGH) == Plan([(1, 100)], [(101, 500)], [])
    assert plan(KEPT, None, 400, ENOUGH) == Plan(KEPT, [], [])


def test_a_stretch_that_is_half_pruned_is_read_as_kept() -> None:
    assert plan(KEPT, 180, 500, ENOUGH) == Plan(KEPT[:2], [(251, 500)], [])


def test_what_was_pruned_before_anything_was_kept_is_lost() -> None:
    assert plan(KEPT[1:], 251, 500, ENOUGH) == Plan([(101, 250)], [(251, 500)], [(1, 100)])
    assert plan([], None, 80, ENOUGH) == Plan([], [], [(1, 80)])
    assert plan(KEPT[:1], 301, 400, ENOUGH) == Plan([(1, 100)], [(301, 400)], [(101, 300)])


def test_the_oldest_of_too_many_originals_are_read_as_kept() -> None:
    assert plan(KEPT, 1, 500, 260) == Plan(KEPT[:2], [(251, 500)], [])
    assert plan(KEPT, 1, 2_500, ENOUGH).rows == 2_100


def test_nothing_is_read_of_nothing() -> None:
    assert plan([], None, 0, ENOUGH) == Plan([], [], [])
