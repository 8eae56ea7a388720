"""Converting the text of a scene to another editor."""

from base64 import b64encode

from libs.bus import Caller
from libs.contracts.collab.content import CONVERT_SCENE, ConvertScene, Written
from libs.contracts.editors import EditorName
from libs.contracts.events import manuscript
from libs.contracts.wire import Wire
from services.gateway.access.authority import Authority
from services.gateway.access.limits import LimitClass
from services.gateway.access.scene_editors import Editors
from services.gateway.api.content import DEADLINE_S
from services.gateway.api.documents import require_present
from services.gateway.http.route import Answer, AnyRoute, Call, NoQuery, Route


class EditorChoice(Wire):
    """The editor that a scene is to be written with from now on."""

    editor: EditorName


class EditorRoutes:
    """Handlers about the editor of a scene."""

    def __init__(self, caller: Caller, authority: Authority, editors: Editors) -> None:
        """Ask over *caller*; *editors* finds definitions, *authority* hears of the change."""
        self._caller = caller
        self._authority = authority
        self._editors = editors

    def routes(self) -> list[AnyRoute]:
        """Return the routes."""
        return [
            Route(
                method="POST",
                path="/api/scenes/{id}/editor",
                handler=self.convert,
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
                query=NoQuery,
                cost=LimitClass.CONTENT,
                place=("scene", "id"),
                action="scene.edit",
                answer=Written,
                problems=("CONFLICT", "TOO_LARGE"),
                deleted_matters=True,
            )
        ]

    async def convert(self, call: Call[EditorChoice]) -> Answer:
        """Convert the text, then name the editor; doing both again changes nothing."""
        require_present(call)
        call.require("scene.update")
        scene_id, name = call.path["id"], call.body.editor
        editor = await self._editors.called(name, call.actor)
        written = await self._caller.ask(
            CONVERT_SCENE,
            ConvertScene(
                scene_id=scene_id,
                editor=editor,
                present=await self._editors.of(call.access.editor, call.actor),
            ),
            call.actor,
            deadline_s=DEADLINE_S,
        )
        change = manuscript.Change(
            kind="scene", id=scene_id, command_id=call.command_id, fields={"editor": name}
        )
        await self._caller.ask(manuscript.CHANGE, change, call.actor)
        # Here at once, for whoever writes next; the other gateways hear of it.
        self._authority.doubt()
        return Answer.json(
            {
                "seq": written.seq,
                "changed": written.changed,
                "stateVector": b64encode(written.state_vector).decode(),
            }
        )
