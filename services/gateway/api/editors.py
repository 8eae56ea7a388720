"""Converting the text of a scene to another editor."""

from base64 import b64encode
from collections.abc import Mapping
from typing import Any

from libs.contracts.collab.content import CONVERT_SCENE, Written
from libs.contracts.editors import EditorName
from libs.contracts.events import manuscript
from libs.contracts.wire import Wire
from services.gateway.access.limits import LimitClass
from services.gateway.api.content import DEADLINE_S
from services.gateway.http.endpoint import Context, Endpoint
from services.gateway.http.route import AnyCall


class EditorChoice(Wire):
    """The editor that a scene is to be written with from now on."""

    editor: EditorName


async def _chosen(context: Context, call: AnyCall) -> Mapping[str, Any]:
    call.require("scene.update")
    return {
        "editor": await context.editors.called(call.body.editor, call.actor),
        "present": await context.editors.of(call.access.editor, call.actor),
    }


async def _name(context: Context, call: AnyCall, _: Written) -> None:
    """Name the editor of the text that was converted; doing both again changes nothing."""
    change = manuscript.Change(
        kind="scene",
        id=call.path["id"],
        command_id=call.command_id,
        fields={"editor": call.body.editor},
    )
    await context.caller.ask(manuscript.CHANGE, change, call.actor)


async def shown(_: Context, _call: AnyCall, written: Written) -> Mapping[str, Any]:
    """Return where a text stands now; its state vector as clients know it, without line ends."""
    return {
        "seq": written.seq,
        "changed": written.changed,
        "stateVector": b64encode(written.state_vector).decode(),
    }


ENDPOINTS = (
    Endpoint(
        "POST",
        "/api/scenes/{id=scene_id}/editor",
        CONVERT_SCENE,
        summary="Convert a scene to another editor",
        description=(
            "The text is laid out anew for that editor by one edit, which open sockets"
            " receive like any other, and the scene names the editor from then on. What"
            " the editor has no place for is refused with CONFLICT, and nothing changes."
            " When a request was interrupted, send it again. `editor` in a PATCH only"
            " changes the name, for scenes without text."
        ),
        tag="Content",
        body=EditorChoice,
        cost=LimitClass.CONTENT,
        place="scene",
        action="scene.edit",
        prepare=_chosen,
        after=_name,
        doubts=True,
        show=shown,
        deadline_s=DEADLINE_S,
        problems=("CONFLICT", "TOO_LARGE"),
    ),
)
