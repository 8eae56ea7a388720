"""The facts of a project, from any position on, as long as they are kept."""

import pytest

from libs import errors
from libs.contracts.actor import Actor
from libs.contracts.collab import threads
from libs.contracts.collab.facts import FOLLOW_FACTS, FollowedFacts, FollowFacts
from libs.contracts.ids import new_id
from libs.postgres import connect
from services.collab.review.feed.feed import FACTS_KEPT_DAYS, Feed
from tests.collab.review.threads.support import Table
from tests.support.waiting import until


async def follow(table: Table, actor: Actor | None = None, **more: object) -> FollowedFacts:
    return await table.desk.caller.ask(
        FOLLOW_FACTS, FollowFacts.model_validate(more), actor or table.ada
    )


async def test_they_come_in_order_and_of_one_project(table: Table):
    """Page by page; another project's are not among them."""
    before = (await follow(table)).upto
    other = await Table.laid(table.desk)
    made = await table.begin()
    await other.begin()
    for number in range(150):
        await table.desk.caller.ask(
            threads.ADD_COMMENT, table.comment(made.id, str(number)), table.ben
        )

    async def all_announced() -> bool:
        return (await follow(table)).upto >= before + 154

    await until(all_announced)
    first = await follow(table, after=before)
    second = await follow(table, after=first.upto)

    assert first.more and not second.more
    items = first.items + second.items
    assert [each.event.event_type for each in items] == await table.facts()
    assert [each.event.data["body"] for each in items[2:]] == [str(n) for n in range(150)]
    assert sorted(each.position for each in items) == [each.position for each in items]
    stranger = Actor(user_id=table.ada.user_id, project_id=new_id())
    assert (await follow(table, stranger, after=before)).items == []


async def test_what_is_old_is_forgotten_and_positions_go_on(table: Table):
    """A place in what is gone is refused; one that only asks for what is kept is not."""
    await table.begin()
    desk = table.desk

    async def announced() -> bool:
        return await desk.owner.fetchval(
            "SELECT NOT EXISTS (SELECT FROM outbox WHERE published_at IS NULL)"
        )

    await until(announced)
    head = (await follow(table)).upto
    await desk.owner.execute(
        "UPDATE outbox SET created_at = now() - make_interval(days => $1)", FACTS_KEPT_DAYS + 1
    )
    pool = await connect(desk.stack.postgres_url("collab", "collab"), application="test")
    try:
        assert not await Feed(pool).forget()
    finally:
        await pool.close()

    assert await desk.owner.fetchval("SELECT count(*) FROM outbox") == 1
    with pytest.raises(errors.Gone):
        await follow(table, after=0)
    with pytest.raises(errors.Gone):
        await follow(table, after=head + 1000)
    assert (await follow(table, after=head)).items == []
    assert len((await follow(table, after=0, kept=True)).items) == 1
    made = await table.begin()
    await until(announced)
    later = await follow(table, after=head)
    assert [each.position for each in later.items] == [head + 1, head + 2]
    assert later.items[0].event.aggregate_id == made.id
