"""A version comes back while editors are open."""

from tests.clients.scenarios import Scenario


async def test_open_editors_receive_a_restored_version(play: Scenario):
    """One client writes on meanwhile; nothing of it is lost, and its undo stays its own."""
    draft = "The first line.\nThe second line.\nThe third line.\n"

    result = await play("restore")

    assert "The second line." not in result["changed"]
    assert result["restored"]["changed"] is True
    # What was typed before the version was asked for is undone with the rest; the later stays.
    assert result["after"].endswith(draft)
    assert result["typed"].startswith(result["after"].removesuffix(draft))
    assert result["after"] != draft
    assert result["steps"] > 0
    assert result["undone"] == draft
    assert result["stored"] == draft


async def test_formatting_and_structure_come_back(play: Scenario):
    """Marks, attributes and blocks; what did not change is the same Yjs element as before."""
    result = await play("restore_rich")

    assert result["changed"] != result["draft"]
    assert result["restored"]["exact"] is True
    assert result["untouched"] is True
