"""The tree of a project has a limit, and says so."""

import pytest

from libs import errors
from libs.contracts.events.tree import READ_TREE, ReadTree, Tree
from tests.events.support import World

READS = "services.events.resources.reads"


@pytest.mark.parametrize(("limit", "most"), [("TREE_SCENES_MAX", 1), ("TREE_BYTES_MAX", 200)])
async def test_too_large_a_tree_is_refused(
    world: World, monkeypatch: pytest.MonkeyPatch, limit: str, most: int
) -> None:
    chapter = await world.chapter()
    for number in range(2):
        await world.scene(chapter, title=f"Scene {number}")
    monkeypatch.setattr(f"{READS}.{limit}", most)

    with pytest.raises(errors.LimitReached, match="book by book"):
        await world.caller.ask(READ_TREE, ReadTree(), world.actor)

    monkeypatch.undo()
    written = await world.caller.ask(READ_TREE, ReadTree(), world.actor)
    (book,) = Tree.model_validate_json(written.text).books
    assert [scene.title for scene in book.chapters[0].scenes] == ["Scene 0", "Scene 1"]
