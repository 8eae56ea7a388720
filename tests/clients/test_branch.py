"""Branches over the collaboration socket."""

from tests.clients.scenarios import Scenario


async def test_a_branch_is_a_room_of_its_own_until_it_is_merged(play: Scenario):
    """Edits stay in the branch; merging brings them to whoever has the scene open."""
    result = await play("branch")

    assert result["apart"] == {
        "scene": "The first line.\nThe second line.\nIn the scene.\n",
        "branch": "In the branch. The first line.\nThe second line.\n",
    }
    assert result["merged"]["conflicts"] == []
    assert result["scene"] == "In the branch. The first line.\nThe second line.\nIn the scene.\n"
    assert "closed" in result["denied"]
    assert result["closes"] == [4404, 4404]
