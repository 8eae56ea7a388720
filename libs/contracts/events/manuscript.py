"""Requests to the events service about projects, members, books, chapters, scenes.

One set of requests serves every aggregate: `kind` says which, and `fields` hold its own members
under their snake_case names, validated by the caller against `resources` and again by the service.
"""

from typing import Annotated, Any
from uuid import UUID

from pydantic import Field

from libs.contracts.actor import Role
from libs.contracts.editors import EditorDefinition, EditorInUse
from libs.contracts.events.resources import Index, Kind, Member, Scene
from libs.contracts.pages import PAGE_ITEMS_DEFAULT, Cursor, Page, PageLimit
from libs.contracts.rpc import Method
from libs.contracts.versions import Expected
from libs.contracts.wire import Wire

SCENES_MAX = 500
SCENES_WITH_DEFINITIONS_MAX = 100
"""Scenes of one question for their editors; definitions have 28 KiB each at most."""

type Json = dict[str, Any]
"""An aggregate as its `resources` model dumps it (camelCase JSON)."""


class Done(Wire):
    """It happened; there is nothing to tell."""


class Document(Wire):
    """One aggregate."""

    kind: Kind
    resource: Json


class ListBookScenes(Wire):
    """List the scenes of a book in reading order, across its chapters."""

    book_id: UUID
    cursor: Cursor | None = None
    limit: PageLimit = PAGE_ITEMS_DEFAULT


class BookScene(Wire):
    """A scene and its position in its book: the number of earlier scenes, and the next one."""

    scene: Scene
    place: int
    cursor: str


class BookScenes(Wire):
    """A page of scenes; `more` tells that others follow the last one."""

    items: list[BookScene]
    more: bool


class Standing(Wire):
    """The project of a thing, and the role of a person there.

    `project_id` is null when the thing does not exist; `role` is null for a stranger.
    `schema_version` is the editor schema that a scene needs, by itself or by its editor; null when
    neither names one. `editor` is the editor of a scene. `archived` says that its project can only
    be read.
    """

    project_id: UUID | None = None
    role: Role | None = None
    deleted: bool = False
    archived: bool = False
    schema_version: int | None = None
    editor: EditorInUse | None = None


class Create(Wire):
    """Create an aggregate under its parent (null for a project).

    `id` and `command_id` come from the caller, so that asking twice creates once.
    """

    kind: Kind
    id: UUID
    command_id: UUID
    parent_id: UUID | None = None
    fields: dict[str, Any] = Field(default_factory=dict)


class Read(Wire):
    """Read one aggregate, deleted or not (`deletedAt` tells)."""

    kind: Kind
    id: UUID
    include_deleted: bool = False


class List(Wire):
    """List the aggregates under a parent in their order, or the projects of the actor.

    `parent_kind` names another parent than the usual one, such as the scene whose appearances are
    asked for. `filters` and `sort` (`name`, or `-name` for descending) are those that the kind
    offers, in snake_case and camelCase respectively. `team_ids` are the actor's teams, through
    which projects are theirs, too.
    """

    kind: Kind
    parent_id: UUID | None = None
    parent_kind: Kind | None = None
    cursor: Cursor | None = None
    limit: PageLimit = PAGE_ITEMS_DEFAULT
    include_deleted: bool = False
    filters: dict[str, Any] = Field(default_factory=dict)
    sort: str | None = None
    team_ids: tuple[UUID, ...] = ()


class Change(Wire):
    """Set fields.

    `expected_version` refuses when stale (PreconditionFailed); `base_version` merges changes of
    other fields and refuses overlapping ones (Conflict with both sides' values).
    """

    kind: Kind
    id: UUID
    command_id: UUID
    fields: dict[str, Any]
    expected_version: Expected = None
    base_version: int | None = None


class Remove(Wire):
    """Delete a thing softly, restorable until it is purged; a link is removed at once.

    The answer about a removed link holds its last state, and is empty for a retry.
    """

    kind: Kind
    id: UUID
    command_id: UUID
    expected_version: Expected = None


class Restore(Wire):
    """Bring a deleted aggregate back."""

    kind: Kind
    id: UUID
    command_id: UUID


class MoveTo(Wire):
    """The new place of a thing: an index and, if given, another parent of the same project."""

    parent_id: UUID | None = None
    index: Index


class Move(MoveTo):
    """Put a book, chapter or scene elsewhere."""

    kind: Kind
    id: UUID
    command_id: UUID
    expected_version: Expected = None


class ListMembers(Wire):
    """A page of the members of the actor's project, of one role or of all, the oldest first."""

    cursor: Cursor | None = None
    limit: PageLimit = PAGE_ITEMS_DEFAULT
    role: Role | None = None


class MemberPut(Wire):
    """The role a person is to have."""

    role: Role


class PutMember(MemberPut):
    """Give a person a role in the actor's project."""

    command_id: UUID
    user_id: UUID
    expected_version: Expected = None
    """The expected version of their membership, which must then exist."""


class RemoveMember(Wire):
    """Take a person out of the actor's project."""

    command_id: UUID
    user_id: UUID
    expected_version: Expected = None


class ReadMember(Wire):
    """Read a person's membership of the actor's project."""

    user_id: UUID


class Authorize(Wire):
    """Return the project of a thing, and the role of a person there.

    The strongest role counts: the person's own, or the role of one of the named teams.
    """

    user_id: UUID
    kind: Kind
    id: UUID
    team_ids: tuple[UUID, ...] = ()


class EditorsOfScenes(Wire):
    """Return the editors of these scenes, of any projects.

    With `definitions` the answer also holds the definitions of teams' editors, for at most
    SCENES_WITH_DEFINITIONS_MAX scenes at once.
    """

    scene_ids: Annotated[list[UUID], Field(max_length=SCENES_MAX)]
    definitions: bool = False


class SceneWithEditor(Wire):
    """The editor of a scene; null when none is named."""

    scene_id: UUID
    editor: EditorInUse | None


class DefinitionInUse(Wire):
    """A definition in the version that scenes are written with."""

    id: UUID
    version: int
    definition: EditorDefinition


class ScenesWithEditors(Wire):
    """The editors of those scenes that exist, each definition once."""

    scenes: list[SceneWithEditor]
    definitions: list[DefinitionInUse] = Field(default_factory=list[DefinitionInUse])


CREATE = Method("events", "create", Create, Document)
READ = Method("events", "read", Read, Document)
LIST = Method("events", "list", List, Page[Json])
LIST_BOOK_SCENES = Method("events", "list_book_scenes", ListBookScenes, BookScenes)
CHANGE = Method("events", "change", Change, Document)
REMOVE = Method("events", "remove", Remove, Document)
RESTORE = Method("events", "restore", Restore, Document)
MOVE = Method("events", "move", Move, Document)
LIST_MEMBERS = Method("events", "list_members", ListMembers, Page[Member])
READ_MEMBER = Method("events", "read_member", ReadMember, Member)
PUT_MEMBER = Method("events", "put_member", PutMember, Member)
REMOVE_MEMBER = Method("events", "remove_member", RemoveMember, Done)
AUTHORIZE = Method("events", "authorize", Authorize, Standing)
EDITORS_OF_SCENES = Method("events", "editors_of_scenes", EditorsOfScenes, ScenesWithEditors)
