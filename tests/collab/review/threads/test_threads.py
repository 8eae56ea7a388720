"""Threads in PostgreSQL: limits that hold under races, one project apart from another, no half."""

import asyncio
from base64 import b64encode
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from libs import errors
from libs.contracts.actor import Actor
from libs.contracts.collab import threads
from libs.contracts.collab.anchors import AnchorTarget
from libs.contracts.collab.content import WRITE_CONTENT, ContentFormat, WriteContent
from libs.contracts.collab.threads import COMMENTS_MAX, THREADS_MAX
from libs.contracts.ids import new_id
from libs.contracts.rpc import Method
from libs.tasks.failpoints import CRASH
from tests.collab.review.threads.support import Table
from tests.collab.upkeep.support import COLLABS, Desk
from tests.support.stack import TwoCollabs
from tests.support.waiting import until

DEATH_WAIT_S = 60.0


class TestLimits:
    async def test_threads_of_a_scene_are_counted(self, table: Table):
        """Those that are deleted not; two replicas at once do not slip past the limit."""
        first = await table.begin()
        await table.desk.owner.execute(
            """
            WITH a AS (
                INSERT INTO anchors SELECT (jsonb_populate_record(a, jsonb_build_object(
                    'id', gen_random_uuid()))).*
                FROM anchors a, generate_series(1, $2) WHERE a.scene_id = $1 RETURNING id
            )
            INSERT INTO threads (id, project_id, scene_id, anchor_id, created_by, updated_by)
            SELECT gen_random_uuid(), $3, $1, a.id, $4, $4 FROM a
            """,
            table.scene,
            THREADS_MAX - 2,
            table.project,
            table.ada.user_id,
        )

        tries = await asyncio.gather(*(table.begin() for _ in range(4)), return_exceptions=True)

        refused = [each for each in tries if isinstance(each, errors.LimitReached)]
        assert len(refused) == 3, tries
        assert refused[0].data["limit"] == THREADS_MAX
        gone = threads.DeleteThread(id=first.id)
        await table.desk.caller.ask(threads.DELETE_THREAD, gone, table.ada)
        await table.begin()

    async def test_comments_of_a_thread_are_counted(self, table: Table):
        """Of racing ones, exactly those have a place for which there is one."""
        made = await table.begin()
        await table.desk.owner.execute(
            """
            WITH more AS (
                INSERT INTO comments (id, project_id, scene_id, thread_id, number, body,
                    created_by, updated_by)
                SELECT gen_random_uuid(), $2, $3, $1, n, 'x', $4, $4
                FROM generate_series(2, $5) n
            )
            UPDATE threads SET comment_count = $5 WHERE id = $1
            """,
            made.id,
            table.project,
            table.scene,
            table.ada.user_id,
            COMMENTS_MAX - 3,
        )

        tries = await asyncio.gather(
            *(
                table.desk.caller.ask(threads.ADD_COMMENT, table.comment(made.id), table.ben)
                for _ in range(10)
            ),
            return_exceptions=True,
        )

        said = [each.number for each in tries if isinstance(each, threads.Comment)]
        assert sorted(said) == [COMMENTS_MAX - 2, COMMENTS_MAX - 1, COMMENTS_MAX]
        assert sum(isinstance(each, errors.LimitReached) for each in tries) == 7


class TestProjects:
    async def test_another_project_finds_nothing(self, table: Table):
        """Whatever the gateway might mistake: the project is in every query."""
        made = await table.begin()
        comment = made.comments[0].id
        stranger = Actor(user_id=table.ada.user_id, project_id=new_id())
        asked: list[tuple[Method[Any, Any], Any]] = [
            (threads.READ_THREAD, threads.OneThread(id=made.id)),
            (
                threads.SET_THREAD_STATE,
                threads.SetThreadState(id=made.id, state=threads.ThreadState.RESOLVED),
            ),
            (
                threads.MOVE_THREAD,
                threads.MoveThread(
                    id=made.id, any_author=True, anchor=AnchorTarget(quote="rejoice")
                ),
            ),
            (threads.DELETE_THREAD, threads.DeleteThread(id=made.id, any_author=True)),
            (threads.LIST_COMMENTS, threads.ListComments(id=made.id)),
            (threads.ADD_COMMENT, table.comment(made.id)),
            (threads.READ_COMMENT, threads.OneComment(id=comment)),
            (threads.CHANGE_COMMENT, threads.ChangeComment(id=comment, body="x")),
            (threads.DELETE_COMMENT, threads.DeleteComment(id=comment, any_author=True)),
            (threads.SET_REACTION, threads.SetReaction(id=comment, emoji="x", present=True)),
        ]
        for method, question in asked:
            with pytest.raises(errors.NotFound):
                await table.desk.caller.ask(method, question, stranger)
        listed = threads.ListThreads(scene_id=table.scene)
        page = await table.desk.caller.ask(threads.LIST_THREADS, listed, stranger)
        assert page.items == []
        assert await table.facts() == ["thread.created", "comment.created"]


class TestDeleted:
    async def test_facts_of_a_deleted_comment_do_not_repeat_it(self, table: Table):
        """Of it alone, until its thread is deleted, too; the order of facts stays."""
        made = await table.begin()
        answer = table.comment(made.id, "a secret")
        await table.desk.caller.ask(threads.ADD_COMMENT, answer, table.ben)
        said = (
            "SELECT payload -> 'data' ->> 'body' AS body FROM outbox WHERE payload ->> 'projectId'"
            " = $1::uuid::text AND payload ->> 'eventType' = 'comment.created' ORDER BY seq"
        )

        gone = threads.DeleteComment(id=answer.id)
        await table.desk.caller.ask(threads.DELETE_COMMENT, gone, table.ben)
        left = await table.desk.owner.fetch(said, table.project)
        facts = await table.facts()
        all_gone = threads.DeleteThread(id=made.id)
        await table.desk.caller.ask(threads.DELETE_THREAD, all_gone, table.ada)
        nothing = await table.desk.owner.fetch(said, table.project)

        assert [row["body"] for row in left] == ["Why?", ""]
        assert [row["body"] for row in nothing] == ["", ""]
        assert await table.facts() == [*facts, "thread.deleted"]

    async def test_anchors_of_deleted_threads_are_not_followed(self, table: Table):
        """Though their words go."""
        made = await table.begin()
        gone = threads.DeleteThread(id=made.id)
        await table.desk.caller.ask(threads.DELETE_THREAD, gone, table.ada)
        anew = b64encode(b"Everything is new.")
        written = WriteContent(scene_id=table.scene, format=ContentFormat.TEXT, body=anew)
        await table.desk.caller.ask(WRITE_CONTENT, written, table.ada, deadline_s=20)

        async def followed() -> bool:
            query = "SELECT followed_seq FROM anchored_scenes WHERE scene_id = $1"
            return await table.desk.owner.fetchval(query, table.scene) == 2

        await until(followed)
        status = "SELECT status FROM anchors WHERE scene_id = $1"
        assert await table.desk.owner.fetchval(status, table.scene) == "exact"


class TestConstraints:
    async def test_the_database_refuses_what_makes_no_sense(self, table: Table):
        """As the run-time role: anchors of other scenes, tombstones that talk, odd states."""
        made = await table.begin()
        pool = await asyncpg.connect(table.desk.stack.postgres_url("collab", "collab"))
        thread, comment = made.id, made.comments[0].id
        try:
            for statement, key in (
                ("UPDATE threads SET scene_id = gen_random_uuid() WHERE id = $1", thread),
                ("UPDATE threads SET anchor_id = gen_random_uuid() WHERE id = $1", thread),
                ("UPDATE threads SET state = 'shut' WHERE id = $1", thread),
                ("UPDATE threads SET state = 'resolved' WHERE id = $1", thread),
                ("UPDATE threads SET comment_count = 1001 WHERE id = $1", thread),
                ("UPDATE comments SET body = '' WHERE id = $1", comment),
                ("UPDATE comments SET deleted_at = now() WHERE id = $1", comment),
                ("UPDATE comments SET body = repeat('x', 10001) WHERE id = $1", comment),
                ("UPDATE comments SET number = 0 WHERE id = $1", comment),
                ("UPDATE comments SET meta = '[]' WHERE id = $1", comment),
                ("DELETE FROM anchors WHERE id = $1", made.anchor.id),
                ("INSERT INTO reactions VALUES ($1, '', $1)", comment),
                ("INSERT INTO mentions VALUES (gen_random_uuid(), $1)", comment),
            ):  # fmt: skip
                with pytest.raises(asyncpg.IntegrityConstraintViolationError):
                    await pool.execute(statement, key)
            for table_name in ("threads", "comments"):
                with pytest.raises(asyncpg.InsufficientPrivilegeError):
                    await pool.execute(f"DELETE FROM {table_name} WHERE id = $1", thread)
        finally:
            await pool.close()


class TestWhole:
    async def test_what_is_refused_leaves_nothing(self, table: Table):
        """Neither a row nor a fact."""
        made = await table.begin()
        before = await table.facts()
        stale = threads.DeleteThread(id=made.id, expected_version=made.version + 7)
        with pytest.raises(errors.PreconditionFailed):
            await table.desk.caller.ask(threads.DELETE_THREAD, stale, table.ada)
        with pytest.raises(errors.AnchorNotFound):
            nowhere = table.thread("such words are nowhere in it")
            await table.desk.caller.ask(threads.CREATE_THREAD, nowhere, table.ada)

        assert await table.facts() == before
        count = "SELECT count(*) FROM anchors WHERE scene_id = $1"
        assert await table.desk.owner.fetchval(count, table.scene) == 1

    async def test_several_places_are_shown_and_none_is_guessed(self, table: Table):
        """Both candidates, with what stands around them."""
        with pytest.raises(errors.AnchorAmbiguous) as refused:
            await table.desk.caller.ask(threads.CREATE_THREAD, table.thread("o"), table.ada)
        assert len(refused.value.data["candidates"]) > 1

    @pytest.mark.parametrize("step", ["review.written", "review.committed"])
    async def test_killed_at_a_step_all_or_nothing_is_there(self, table: Table, step: str):
        """And a retry of the same request makes it whole, once, with its facts announced."""
        desk = table.desk
        made = await table.begin()
        answer = table.comment(made.id)
        for part in COLLABS:
            desk.stack.hold(part)
            desk.stack.kill(part)
            await desk.stack.wait_ended(part)
        try:
            await start(desk, {CRASH: step})
            await until(lambda: tried(table, answer))
            await desk.stack.wait_ended(COLLABS[0], DEATH_WAIT_S)
            count = "SELECT count(*) FROM comments WHERE id = $1"
            there = await desk.owner.fetchval(count, answer.id)
            assert there == (step == "review.committed")
            told = ["thread.created", "comment.created"] + ["comment.created"] * there
            assert await table.facts() == told
            await start(desk, {})
            await until(lambda: tried(table, answer, succeeds=True))
        finally:
            for part in COLLABS:
                desk.stack.release(part)

        assert await table.facts() == ["thread.created", "comment.created", "comment.created"]
        await until(lambda: announced(desk, table.project))


async def tried(table: Table, answer: threads.AddComment, *, succeeds: bool = False) -> bool:
    """Ask once; whether somebody was there to try, or to succeed."""
    try:
        await table.desk.caller.ask(threads.ADD_COMMENT, answer, table.ben, deadline_s=3)
    except errors.DeadlineExceeded:
        return not succeeds
    except errors.Unavailable:
        return False
    return True


async def announced(desk: Desk, project: UUID) -> bool:
    query = (
        "SELECT NOT EXISTS (SELECT FROM outbox"
        " WHERE payload ->> 'projectId' = $1 AND published_at IS NULL)"
    )
    return await desk.owner.fetchval(query, str(project))


async def start(desk: Desk, environment: dict[str, str]) -> None:
    """Start the one replica that dies; it stays down when it does."""
    assert isinstance(desk.stack, TwoCollabs)
    dying = COLLABS[0]
    told = desk.stack.environments[dying]
    told.pop(CRASH, None)
    told.update(environment)
    desk.stack.release(dying)

    async def born() -> bool:
        return desk.stack.pid(dying) is not None

    await until(born)
    desk.stack.hold(dying)
