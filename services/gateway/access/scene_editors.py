"""The editor of a scene with its definition, as requests about the text of the scene carry it."""

from collections import OrderedDict
from uuid import UUID

from libs import errors
from libs.bus import Caller
from libs.contracts.actor import Actor
from libs.contracts.editors import EditorInUse, SceneEditor
from libs.contracts.events import manuscript
from libs.contracts.events.resources import Kind
from libs.contracts.events.team_editors import Editor

KIND: Kind = "editor_definition"
DEFINITIONS_MAX = 1_000
"""Kept in memory; each is 28 KiB at most as JSON."""


class Editors:
    """Finds definitions, and keeps those that are asked for again and again."""

    def __init__(self, caller: Caller) -> None:
        """Ask events over *caller*."""
        self._caller = caller
        self._known: OrderedDict[tuple[UUID, int], SceneEditor] = OrderedDict()

    async def of(self, editor: EditorInUse | None, actor: Actor) -> SceneEditor | None:
        """Return the editor of a scene in the actor's project; None when it leads to nothing.

        Raises:
            errors.Unavailable: Its definition is not known here, and events is away.
        """
        if editor is None:
            return None
        if editor.definition_id is None or editor.definition_version is None:
            return SceneEditor.built_in(editor.name)
        key = editor.definition_id, editor.definition_version
        if key not in self._known:
            question = manuscript.Read(kind=KIND, id=editor.definition_id, include_deleted=True)
            try:
                found = await self._caller.ask(manuscript.READ, question, actor)
            except errors.NotFound:
                return None  # purged since
            # The definition that was read may be newer than the one asked for; that is right.
            return self._keep(Editor.model_validate(found.resource))
        self._known.move_to_end(key)
        return self._known[key]

    async def called(self, name: str, actor: Actor) -> SceneEditor:
        """Return the editor of the actor's project that has a name.

        Raises:
            errors.Invalid: There is none.
        """
        if built_in := SceneEditor.built_in(name):
            return built_in
        question = manuscript.List(kind=KIND, parent_id=actor.project_id, filters={"name": name})
        found = await self._caller.ask(manuscript.LIST, question, actor)
        editors = [Editor.model_validate(each) for each in found.items]
        for each in editors:
            if each.name == name:
                return _of(each)
        detail = f"{name!r} is not built in, nor the name of an editor definition of this project"
        raise errors.Invalid(f"editor: {detail}", errors=[{"field": "editor", "detail": detail}])

    def _keep(self, editor: Editor) -> SceneEditor:
        self._known[editor.id, editor.version] = kept = _of(editor)
        while len(self._known) > DEFINITIONS_MAX:
            self._known.popitem(last=False)
        return kept


def _of(editor: Editor) -> SceneEditor:
    return SceneEditor(name=editor.name, definition=editor.definition)
