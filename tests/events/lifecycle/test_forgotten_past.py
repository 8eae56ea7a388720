"""Who comes from a past that was forgotten is told so, and never served half of it."""

import pytest

from libs import errors
from libs.contracts.events import following, sync
from libs.postgres import Pool
from tests.events.lifecycle.forgetting import forget_all
from tests.events.relaying import announced
from tests.events.support import Json, World


class TestWhoComesFromThePast:
    @pytest.fixture
    async def scene(self, world: World, pool: Pool, impatient: None) -> Json:  # noqa: ARG002
        """At version 4, of which three are forgotten."""
        scene = await world.scene(title="A")
        await world.change("scene", scene["id"], title="B")
        await world.change("scene", scene["id"], summary="S")
        await forget_all(pool)
        scene = await world.change("scene", scene["id"], title="C")
        await announced(pool)
        return scene

    async def test_a_change_made_from_there_is_a_conflict(self, world: World, scene: Json) -> None:
        with pytest.raises(errors.Conflict, match="deleted by retention"):
            await world.change("scene", scene["id"], base=2, title="D")

        assert (await world.change("scene", scene["id"], base=3, summary="T"))["title"] == "C"
        with pytest.raises(errors.Conflict) as conflict:
            await world.change("scene", scene["id"], base=3, title="D")
        assert conflict.value.data["currentVersion"] == 5

    async def test_a_peer_is_told_where_to_go_on(self, world: World, scene: Json) -> None:
        with pytest.raises(errors.Gone) as gone:
            await world.caller.ask(sync.PULL, sync.Pull(), world.actor)
        position = gone.value.data["position"]
        with pytest.raises(errors.Gone):
            await world.caller.ask(sync.PULL, sync.Pull(after=position - 1), world.actor)

        pulled = await world.caller.ask(sync.PULL, sync.Pull(after=position), world.actor)

        assert [str(each.event.aggregate_id) for each in pulled.items] == [scene["id"]]
        assert [each.event.version for each in pulled.items] == [4]

    @pytest.mark.usefixtures("scene")
    async def test_a_follower_is_told_to_begin_anew(self, world: World, pool: Pool) -> None:
        position = await pool.fetchval(
            "SELECT position FROM horizons WHERE project_id = $1", world.project_id
        )
        with pytest.raises(errors.Gone):
            question = following.Follow(after=position - 1)
            await world.caller.ask(following.FOLLOW, question, world.actor)

        question = following.Follow(after=position)
        followed = await world.caller.ask(following.FOLLOW, question, world.actor)

        assert [each.event.version for each in followed.items] == [4]
