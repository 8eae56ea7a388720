"""With which editors scenes are written, for texts that collab renders of its own accord.

A request about one text says its editor itself (`libs.contracts.editors.ForEditor`). Snapshots,
listings and copies ask events, which knows the projects, books and definitions of teams.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from libs import errors
from libs.bus import Caller
from libs.contracts.actor import Actor
from libs.contracts.editors import EditorInUse, SceneEditor
from libs.contracts.events.manuscript import EDITORS_OF_SCENES, EditorsOfScenes, ScenesWithEditors

_COLLAB = Actor(user_id=UUID(int=0))


@dataclass(frozen=True, slots=True)
class Named:
    """The editor of a scene; `key` is the same for the same editor in the same version."""

    key: str = ""
    editor: SceneEditor | None = None


NOBODY = Named()
"""No editor is named: what wrote a text is told by the text itself."""


class SceneEditors:
    """Asks events for the editors of scenes."""

    def __init__(self, caller: Caller) -> None:
        """Ask over *caller*."""
        self._caller = caller

    async def of(self, scene: UUID) -> Named:
        """Return the editor of a scene.

        Raises:
            errors.AppError: Events does not answer.
        """
        return (await self.of_all([scene]))[scene]

    async def of_all(self, scenes: Sequence[UUID]) -> dict[UUID, Named]:
        """Return the editor of each scene, SCENES_WITH_DEFINITIONS_MAX of them at most.

        Raises:
            errors.AppError: Events does not answer.
        """
        found = await self._ask(scenes, definitions=True)
        own = {each.id: each.definition for each in found.definitions}
        named = dict.fromkeys(scenes, NOBODY)
        for each in found.scenes:
            if (using := each.editor) is None:
                continue
            if using.definition_id is None:
                editor = SceneEditor.built_in(using.name)
            else:
                editor = SceneEditor(name=using.name, definition=own[using.definition_id])
            named[each.scene_id] = Named(_key(using), editor)
        return named

    async def of_all_if_known(self, scenes: Sequence[UUID]) -> dict[UUID, Named]:
        """Return the same, and NOBODY for all of them when events does not answer."""
        try:
            return await self.of_all(scenes)
        except errors.AppError:
            return dict.fromkeys(scenes, NOBODY)

    async def keys_of(self, scenes: Sequence[UUID]) -> dict[UUID, str]:
        """Return the `Named.key` of each scene, SCENES_MAX of them at most.

        Raises:
            errors.AppError: Events does not answer.
        """
        found = await self._ask(scenes, definitions=False)
        keys = dict.fromkeys(scenes, NOBODY.key)
        return keys | {each.scene_id: _key(each.editor) for each in found.scenes if each.editor}

    async def _ask(self, scenes: Sequence[UUID], *, definitions: bool) -> ScenesWithEditors:
        question = EditorsOfScenes(scene_ids=list(scenes), definitions=definitions)
        return await self._caller.ask(EDITORS_OF_SCENES, question, _COLLAB)


def _key(using: EditorInUse) -> str:
    if using.definition_id is not None:
        return f"{using.definition_id}/{using.definition_version}"
    return using.name if SceneEditor.built_in(using.name) else NOBODY.key
