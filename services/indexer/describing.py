"""What things are now: events describes all but comments, which collab does."""

from collections.abc import Sequence
from uuid import UUID

from libs.bus import Caller
from libs.contracts.actor import Actor
from libs.contracts.collab.found_comments import (
    DESCRIBE_COMMENTS,
    DescribeComments,
    FoundComment,
)
from libs.contracts.events.things import DESCRIBE_THINGS, DescribeThings, Thing, ThingRef
from libs.contracts.things import ThingKind


async def describe(
    caller: Caller, things: Sequence[ThingRef], actor: Actor, *, texts: bool = False
) -> dict[UUID, Thing]:
    """Return the things that exist, of any project, by id; with *texts* if wanted.

    Raises:
        errors.AppError: Events or collab is away.
    """
    ids = [each.id for each in things if each.kind is ThingKind.COMMENT]
    comments: list[FoundComment] = []
    if ids:
        asked = DescribeComments(ids=ids, bodies=texts)
        comments = (await caller.ask(DESCRIBE_COMMENTS, asked, actor)).comments
    refs = [each for each in things if each.kind is not ThingKind.COMMENT]
    found = await _of_events(caller, refs, actor, texts=texts)
    scenes = {each.scene_id for each in comments} - found.keys()
    around = [ThingRef(kind=ThingKind.SCENE, id=each) for each in sorted(scenes)]
    known = found | await _of_events(caller, around, actor, texts=False)
    return found | {each.id: _comment(each, known.get(each.scene_id)) for each in comments}


async def _of_events(
    caller: Caller, refs: Sequence[ThingRef], actor: Actor, *, texts: bool
) -> dict[UUID, Thing]:
    if not refs:
        return {}
    asked = DescribeThings(things=list(refs), texts=texts)
    answer = await caller.ask(DESCRIBE_THINGS, asked, actor)
    return {thing.id: thing for thing in answer.things}


def _comment(comment: FoundComment, scene: Thing | None) -> Thing:
    """Return a comment as a thing; it shows while its scene does."""
    return Thing(
        kind=ThingKind.COMMENT,
        id=comment.id,
        project_id=comment.project_id,
        version=comment.version,
        shown=comment.shown and scene is not None and scene.shown,
        title=scene.title if scene else None,
        type=None,
        status=None,
        path=scene.path if scene else [],
        book_id=scene.book_id if scene else None,
        chapter_id=scene.chapter_id if scene else None,
        updated_at=comment.updated_at,
        texts=[comment.body] if comment.body else [],
        scene_id=comment.scene_id,
        thread_id=comment.thread_id,
        anchor_id=comment.anchor_id,
    )
