"""The texts of a project, read in manuscript order."""

from collections.abc import Sequence
from uuid import UUID

from libs import errors
from libs.bus import Caller
from libs.contracts.actor import Actor
from libs.contracts.collab.passages import READ_PASSAGES, Passage, ReadPassages
from libs.contracts.events.tree import READ_TREE, ReadTree, Tree
from libs.contracts.wire import Wire
from services.ai.offline.words import Block, SceneText

DEADLINE_S = 30.0
READ_TRIES_MAX = 3
"""How often a long text is read that changes while its pages are."""


class ScenePlace(Wire):
    """A scene and its place: its book, its chapter and its title."""

    scene_id: UUID
    book_id: UUID
    title: str | None


class Manuscript:
    """Reads texts over the bus."""

    def __init__(self, caller: Caller) -> None:
        """Ask over *caller*."""
        self._caller = caller

    async def places(
        self, actor: Actor, *, book: UUID | None = None, scene: UUID | None = None
    ) -> list[ScenePlace]:
        """Return the scenes of a project in their order, or those of one book, or one scene.

        A scene without a title is called by its chapter.

        Raises:
            errors.NotFound: There is no such book or scene.
            errors.AppError: Events is away.
        """
        written = await self._caller.ask(READ_TREE, ReadTree(), actor, deadline_s=DEADLINE_S)
        tree = Tree.model_validate_json(written.text, extra="ignore")
        found = [
            ScenePlace(scene_id=each.id, book_id=one.id, title=each.title or chapter.title)
            for one in tree.books
            for chapter in one.chapters
            for each in chapter.scenes
            if book in (None, one.id) and scene in (None, each.id)
        ]
        if not found and (book or scene):
            raise errors.NotFound
        return found

    async def text(self, place: ScenePlace, actor: Actor) -> SceneText:
        """Return the text of a scene as it is durable now.

        Raises:
            errors.Unavailable: It changed while it was read, or collab is away.
        """
        for _ in range(READ_TRIES_MAX):
            seq, passages = await self._pages(place.scene_id, actor)
            if seq is not None:
                blocks = [_block(each) for each in passages]
                return SceneText(place.scene_id, place.title, seq, blocks)
        raise errors.Unavailable("The text changed while it was read.")

    async def _pages(self, scene: UUID, actor: Actor) -> tuple[int | None, Sequence[Passage]]:
        """Return the version and the blocks of a scene; no version when it changed meanwhile."""
        seq, found, start = None, list[Passage](), 0
        while True:
            question = ReadPassages(scene_id=scene, start=start)
            page = await self._caller.ask(READ_PASSAGES, question, actor, deadline_s=DEADLINE_S)
            if seq not in (None, page.seq):
                return None, found
            seq = page.seq
            found += page.passages
            if page.following is None:
                return seq, found
            start = page.following


def _block(passage: Passage) -> Block:
    return Block(passage.text, passage.from_, passage.type, (passage.first, passage.last))
