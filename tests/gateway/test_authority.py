"""Permission decisions: cached without going stale, and never guessed."""

import asyncio
from collections.abc import AsyncIterator
from uuid import UUID

import nats
import pytest
from nats.js.errors import KeyNotFoundError
from nats.js.kv import KeyValue

from libs import errors
from libs.bus import Caller, Client, connect_broker
from libs.contracts.actor import Actor, Role
from libs.contracts.events.manuscript import PUT_MEMBER, REMOVE_MEMBER, PutMember, RemoveMember
from libs.contracts.ids import new_id
from libs.postgres import Pool, connect
from services.gateway.access.authority import Authority
from services.gateway.accounts.identity import Identity
from services.gateway.accounts.teams import TeamStore
from tests.gateway.support import Manuscript, Person, is_problem
from tests.support.waiting import until
from tools.stack import Stack


class Nobody:
    async def identify(self, token: str) -> Identity:
        raise errors.Unauthenticated(token)


@pytest.fixture(scope="module")
async def client(stack: Stack) -> AsyncIterator[Client]:
    broker, client = await connect_broker(
        stack.nats_url("gateway"), service="gateway", replica="test"
    )
    yield client
    await broker.stop()


@pytest.fixture(scope="module")
async def pool(stack: Stack) -> AsyncIterator[Pool]:
    opened = await connect(stack.postgres_url("gateway", "gateway"), application="test")
    yield opened
    await opened.close()


@pytest.fixture
def authority(client: Client, pool: Pool) -> Authority:
    return Authority(
        client=client, caller=Caller(client), identities=Nobody(), teams=TeamStore(pool)
    )


@pytest.fixture
async def bucket(client: Client) -> KeyValue:
    return await client.jetstream().key_value("permissions")


def identity_of(person: Person) -> Identity:
    return Identity(UUID(person.id), "", "")


def key_of(manuscript: Manuscript, person: Person) -> str:
    return f"{UUID(manuscript.project['id']).hex}.{UUID(person.id).hex}"


async def warm(authority: Authority, manuscript: Manuscript, person: Person) -> None:
    """Ask often enough for the answer to be cached."""
    for _ in range(2):
        await authority.access(identity_of(person), "scene", UUID(manuscript.scene["id"]))


async def test_a_decision_is_cached_under_project_and_person(
    authority: Authority, manuscript: Manuscript, bucket: KeyValue
):
    await warm(authority, manuscript, manuscript.owner)

    assert (await bucket.get(key_of(manuscript, manuscript.owner))).value == b"OWNER 0"


async def test_an_answer_from_before_a_change_is_never_cached_after_it(
    authority: Authority,
    manuscript: Manuscript,
    bucket: KeyValue,
    monkeypatch: pytest.MonkeyPatch,
):
    """The drop comes between asking and writing: the drop wins."""
    me, scene = identity_of(manuscript.owner), UUID(manuscript.scene["id"])
    await authority.access(me, "scene", scene)
    await authority.forget_role(UUID(manuscript.project["id"]), me.user_id)
    asked = authority._standing  # pyright: ignore[reportPrivateUsage]

    async def overtaken(*question: object) -> object:
        answer = await asked(*question)  # pyright: ignore[reportArgumentType]
        await authority.forget_role(UUID(manuscript.project["id"]), me.user_id)
        return answer

    monkeypatch.setattr(authority, "_standing", overtaken)
    await authority.access(me, "scene", scene)

    with pytest.raises(KeyNotFoundError):
        await bucket.get(key_of(manuscript, manuscript.owner))


async def test_a_change_made_behind_the_gateways_is_heard(
    manuscript: Manuscript, percy: Person, client: Client
):
    """Membership facts, not only this gateway's own routes, drop what is cached."""
    caller, scene = Caller(client), f"/api/scenes/{manuscript.scene['id']}"
    actor = Actor(user_id=UUID(manuscript.owner.id), project_id=UUID(manuscript.project["id"]))
    put = PutMember(command_id=new_id(), user_id=UUID(percy.id), role=Role.WRITER)
    await caller.ask(PUT_MEMBER, put, actor)
    for _ in range(3):
        assert (await percy.get(scene)).status_code == 200

    await caller.ask(
        REMOVE_MEMBER, RemoveMember(command_id=new_id(), user_id=UUID(percy.id)), actor
    )

    async def gone() -> bool:
        return (await percy.get(scene)).status_code == 404

    await until(gone, 1)


async def test_the_durable_consumer_works_off_every_membership_fact(
    stack: Stack, manuscript: Manuscript, percy: Person
):
    """Should every gateway have been away when the fact came, the drop still happens."""
    await manuscript.welcome(percy, Role.WRITER)
    admin = await nats.connect(stack.nats_url("admin"))

    async def settled() -> bool:
        info = await admin.jetstream().consumer_info("EVENTS", "gateway-permissions")
        delivered = info.delivered.consumer_seq if info.delivered else 0
        return delivered > 0 and not info.num_pending and not info.num_ack_pending

    try:
        await until(settled, 5)
    finally:
        await admin.close()


@pytest.mark.parametrize("way", ["killed", "frozen"])
async def test_an_absent_authority_is_503_and_never_403_or_404(
    stack: Stack, manuscript: Manuscript, mary: Person, percy: Person, way: str
):
    """Not knowing is not a "no"; what is cached goes on."""
    scene = f"/api/scenes/{manuscript.scene['id']}"
    for _ in range(2):
        assert (await mary.get(f"{scene}/content")).status_code == 200
    if way == "killed":
        stack.kill("events-1")
        await stack.wait_ended("events-1")
    else:
        stack.freeze("events-1")
    try:
        stranger = percy.get(f"{scene}/content")
        member = mary.get(f"{scene}/content")
        unknown = mary.get(f"/api/books/{manuscript.book['id']}")
        answers = await asyncio.gather(stranger, member, unknown)
    finally:
        if way == "killed":
            await stack.restart("events-1")
        else:
            stack.thaw("events-1")
            await stack.wait_ready("events-1")

    assert answers[0].status_code == 503
    assert answers[0].json()["code"] in ("UNAVAILABLE", "DEADLINE_EXCEEDED")
    assert answers[0].headers["retry-after"] == "1"
    assert answers[1].status_code == 200, "a cached decision outlives the authority"
    assert answers[2].status_code == 503

    async def back() -> bool:
        return (await mary.get(f"/api/books/{manuscript.book['id']}")).is_success

    await until(back, 10)
    assert is_problem(await percy.get(scene), 404, "NOT_FOUND")


async def test_a_deleted_scene_is_gone_within_two_seconds_everywhere(
    authority: Authority, manuscript: Manuscript, mary: Person
):
    """This authority hears no facts: it must notice by itself."""
    me, scene = identity_of(mary), UUID(manuscript.scene["id"])
    await warm(authority, manuscript, mary)
    await mary.ask("DELETE", f"/api/scenes/{scene}", params={"baseVersion": 1})

    async def noticed() -> bool:
        return (await authority.access(me, "scene", scene)).deleted

    await until(noticed, 2)
