"""Anchors by themselves, for what points at words from outside the text."""

from uuid import UUID

from libs import errors
from libs.contracts.collab.anchors import (
    CREATE_ANCHOR,
    READ_ANCHOR,
    READ_ANCHORS,
    SCENE_ANCHORS_MAX,
    AnchorCreate,
    OneAnchor,
    ReadAnchors,
)
from libs.contracts.events.manuscript import READ, Read
from services.gateway.access.limits import LimitClass
from services.gateway.api.reviewed import within
from services.gateway.http.endpoint import Context, Endpoint
from services.gateway.http.route import AnyCall

DEADLINE_S = 20.0
"""An anchor may have to be found in a large scene."""

ENDPOINTS = (
    Endpoint(
        "POST",
        "/api/scenes/{id=scene_id}/anchors",
        CREATE_ANCHOR,
        summary="Make an anchor",
        description=(
            "For an appearance (`anchorId`) or the provenance of a fact (`provenance.anchorId`)."
            " Threads, suggestions and patches make their own."
            f" A scene has at most {SCENE_ANCHORS_MAX} anchors."
        ),
        tag="Anchors",
        cost=LimitClass.WRITE,
        place="scene",
        action="scene.comment",
        body=AnchorCreate,
        new_id="id",
        status=201,
        location="/api/anchors/{id}",
        problems=("ANCHOR_NOT_FOUND", "ANCHOR_AMBIGUOUS", "LIMIT_REACHED"),
        deadline_s=DEADLINE_S,
    ),
    Endpoint(
        "GET",
        "/api/anchors/{id}",
        READ_ANCHOR,
        summary="Resolve an anchor",
        description="Where its words are now, or that they are gone.",
        tag="Anchors",
        cost=LimitClass.READ,
        enter=within("anchor", "scene.read"),
        action="scene.read",
        deadline_s=DEADLINE_S,
    ),
)


async def require_anchor_of_appearance(context: Context, call: AnyCall) -> None:
    """Refuse an appearance at an anchor of another scene.

    Raises:
        AnchorNotFound: The scene has no such anchor.
    """
    if call.body.anchor_id is None:
        return
    scene = getattr(call.body, "scene_id", None)
    if scene is None:
        read = Read(kind="appearance", id=call.path["id"])
        found = await context.caller.ask(READ, read, call.actor)
        scene = UUID(found.resource["sceneId"])
    await _require(context, call, scene, call.body.anchor_id, "anchorId")


async def require_anchor_of_fact(context: Context, call: AnyCall) -> None:
    """Refuse a fact whose provenance names an anchor of another scene, or of another project.

    Raises:
        AnchorNotFound: The scene, or without one the project, has no such anchor.
    """
    provenance = call.body.provenance
    if provenance is None or provenance.anchor_id is None:
        return
    at = "provenance.anchorId"
    await _require(context, call, provenance.scene_id, provenance.anchor_id, at)


async def _require(
    context: Context, call: AnyCall, scene: UUID | None, anchor: UUID, at: str
) -> None:
    try:
        if scene is None:
            await context.caller.ask(READ_ANCHOR, OneAnchor(id=anchor), call.actor)
            return
        asked = ReadAnchors(scene_id=scene, ids=[anchor])
        answer = await context.caller.ask(READ_ANCHORS, asked, call.actor, deadline_s=DEADLINE_S)
    except errors.NotFound:
        answer = None
    if answer is None or not answer.anchors:
        raise errors.AnchorNotFound(f"`{at}` is no anchor of this scene.")
