"""Threads of comments on a scene: begun, answered, resolved, moved, deleted."""

from collections.abc import Mapping
from functools import partial
from typing import Any

from libs.contracts.collab.threads import (
    ADD_COMMENT,
    BODY_CHARS_MAX,
    CHANGE_COMMENT,
    COMMENTS_MAX,
    COMMENTS_SHOWN_MAX,
    CREATE_THREAD,
    DELETE_COMMENT,
    DELETE_THREAD,
    LIST_COMMENTS,
    LIST_THREADS,
    MENTIONS_MAX,
    MOVE_THREAD,
    REACTION_PATTERN,
    REACTIONS_MAX,
    READ_COMMENT,
    READ_THREAD,
    SET_REACTION,
    SET_THREAD_STATE,
    THREADS_MAX,
    CommentCreate,
    CommentPatch,
    Thread,
    ThreadAnchor,
    ThreadCreate,
    ThreadState,
)
from libs.contracts.events.people import REQUIRE_PEOPLE, RequirePeople
from services.gateway.access import permissions
from services.gateway.access.limits import LimitClass
from services.gateway.api.reviewed import within
from services.gateway.http import etags
from services.gateway.http.endpoint import Context, Endpoint
from services.gateway.http.route import Answer, AnyCall, Basis

_OF_SCENE = "/api/scenes/{id=scene_id}/threads"
_THREAD = "/api/threads/{id}"
_COMMENT = "/api/comments/{id}"
DEADLINE_S = 20.0
"""An anchor may have to be found in a large scene."""
_ANCHOR = ("ANCHOR_NOT_FOUND", "ANCHOR_AMBIGUOUS")
_STALE = ("PRECONDITION_FAILED",)


async def _known_people(context: Context, call: AnyCall) -> Mapping[str, Any]:
    """Refuse mentions of people who are not in the project.

    Raises:
        PeopleUnknown: Some are not.
    """
    if call.body.mentions:
        asked = RequirePeople(user_ids=sorted(set(call.body.mentions)), field="body.mentions")
        await context.caller.ask(REQUIRE_PEOPLE, asked, call.actor)
    return {}


async def _others_threads(_: Context, call: AnyCall) -> Mapping[str, Any]:
    return {"any_author": call.access.role in permissions.MATRIX["scene.delete_any_comment"]}


async def _may_move(_: Context, call: AnyCall) -> Mapping[str, Any]:
    """Return whether the caller may move what others began: a person who may write the text."""
    return {"any_author": call.access.role in permissions.MATRIX["scene.edit"]}


async def _with_tag(_: Context, __: AnyCall, thread: Thread) -> Answer:
    """Answer a thread with its ETag, and never 304: its words move without a new version."""
    tag = etags.etag("thread", thread.id, thread.version)
    return Answer.json(thread, headers={"ETag": tag})


_row = partial(Endpoint, tag="Comments")
_read = partial(_row, cost=LimitClass.READ)
_write = partial(_row, cost=LimitClass.WRITE, action="scene.comment")
_change_thread = partial(
    _write,
    enter=within("thread", "scene.comment"),
    query=Basis,
    versioned="thread",
    deadline_s=DEADLINE_S,
)
_change_comment = partial(_write, enter=within("comment", "scene.comment"), versioned="comment")

ENDPOINTS = (
    _write(
        "POST",
        _OF_SCENE,
        CREATE_THREAD,
        summary="Begin a thread",
        description=(
            "On the words that `anchor` names: with relative positions of Yjs, a quote, or a range."
            f" Nothing is guessed. A body is plain text of at most {BODY_CHARS_MAX} characters; it"
            f" mentions at most {MENTIONS_MAX} people, who are told. A scene has at most"
            f" {THREADS_MAX} threads."
        ),
        place="scene",
        body=ThreadCreate,
        prepare=_known_people,
        new_id="id",
        deadline_s=DEADLINE_S,
        status=201,
        location="/api/threads/{id}",
        versioned="thread",
        etag=True,
        problems=(*_ANCHOR, "LIMIT_REACHED", "PEOPLE_UNKNOWN"),
    ),
    _read(
        "GET",
        _OF_SCENE,
        LIST_THREADS,
        summary="List threads",
        description=(
            "The newest first. A page may have fewer than `limit` when comments are long;"
            " `nextCursor` tells whether more follow."
        ),
        place="scene",
        action="scene.read",
        deadline_s=DEADLINE_S,
    ),
    _read(
        "GET",
        _THREAD,
        READ_THREAD,
        summary="Read a thread",
        description=(
            f"With its first {COMMENTS_SHOWN_MAX} comments, or fewer when they are long;"
            " `nextComments` is the cursor of the others."
        ),
        enter=within("thread", "scene.read"),
        action="scene.read",
        show=_with_tag,
        answer=Thread,
        deadline_s=DEADLINE_S,
    ),
    _change_thread(
        "DELETE",
        _THREAD,
        DELETE_THREAD,
        summary="Delete a thread",
        description=(
            "With its comments. The person who began it may, and those who have"
            " `scene.delete_any_comment`."
        ),
        prepare=_others_threads,
        status=204,
        problems=_STALE,
    ),
    _change_thread(
        "POST",
        f"{_THREAD}/resolve",
        SET_THREAD_STATE,
        summary="Resolve a thread",
        description="Everybody who has a part in it is told.",
        fixed={"state": ThreadState.RESOLVED},
        etag=True,
        problems=_STALE,
    ),
    _change_thread(
        "POST",
        f"{_THREAD}/reopen",
        SET_THREAD_STATE,
        summary="Open a thread again",
        fixed={"state": ThreadState.OPEN},
        etag=True,
        problems=_STALE,
    ),
    _change_thread(
        "PUT",
        f"{_THREAD}/anchor",
        MOVE_THREAD,
        summary="Put a thread on other words",
        description=(
            "The anchor keeps its id. The person who began the thread may, and those who may write"
            " the text."
        ),
        body=ThreadAnchor,
        prepare=_may_move,
        etag=True,
        problems=(*_ANCHOR, *_STALE),
    ),
    _read(
        "GET",
        f"{_THREAD}/comments",
        LIST_COMMENTS,
        summary="List the comments of a thread, the oldest first",
        enter=within("thread", "scene.read"),
        action="scene.read",
    ),
    _write(
        "POST",
        "/api/threads/{id=thread_id}/comments",
        ADD_COMMENT,
        summary="Answer in a thread",
        description=(
            "Everybody who has a part in the thread is told. A resolved thread stays resolved. A"
            f" thread has at most {COMMENTS_MAX} comments."
        ),
        enter=within("thread", "scene.comment"),
        body=CommentCreate,
        prepare=_known_people,
        new_id="id",
        status=201,
        location="/api/comments/{id}",
        versioned="comment",
        etag=True,
        problems=("LIMIT_REACHED", "PEOPLE_UNKNOWN"),
    ),
    _read(
        "GET",
        _COMMENT,
        READ_COMMENT,
        summary="Read a comment",
        enter=within("comment", "scene.read"),
        action="scene.read",
        versioned="comment",
        etag=True,
    ),
    _change_comment(
        "PATCH",
        _COMMENT,
        CHANGE_COMMENT,
        summary="Change a comment of one's own",
        description="People whom it mentions for the first time are told.",
        body=CommentPatch,
        query=Basis,
        prepare=_known_people,
        etag=True,
        problems=("GONE", "PEOPLE_UNKNOWN", *_STALE),
    ),
    _change_comment(
        "DELETE",
        _COMMENT,
        DELETE_COMMENT,
        summary="Delete a comment",
        description=(
            "It leaves a tombstone, so that answers keep their place; the thread stays. Its author"
            " may, and those who have `scene.delete_any_comment`."
        ),
        query=Basis,
        prepare=_others_threads,
        status=204,
        problems=_STALE,
    ),
    _change_comment(
        "PUT",
        f"{_COMMENT}/reactions/{{emoji}}",
        SET_REACTION,
        summary="React to a comment",
        description=(
            f"With an emoji or a short name; a comment has at most {REACTIONS_MAX} different ones."
        ),
        fixed={"present": True},
        texts={"emoji": REACTION_PATTERN},
        etag=True,
        problems=("GONE", "LIMIT_REACHED"),
    ),
    _change_comment(
        "DELETE",
        f"{_COMMENT}/reactions/{{emoji}}",
        SET_REACTION,
        summary="Take a reaction back",
        fixed={"present": False},
        texts={"emoji": REACTION_PATTERN},
        status=204,
        problems=("GONE",),
    ),
)
