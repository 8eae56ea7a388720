"""Projects as a whole: cloned, kept as templates, exported, imported; and a person's library.

A *package* is a project at one moment, without history, people or ids: pages of its state, one
text for each scene, and what was said about it. A clone is a package taken and planted at once, a
template one that is kept, an export one that is read, an import one that was sent.
docs/workspaces.md has the format.
"""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import Base64Bytes, Field, SerializerFunctionWrapHandler, model_serializer

from libs.contracts.editors import EditorName
from libs.contracts.events.bundles import Committed
from libs.contracts.events.manuscript import Done
from libs.contracts.pages import PAGE_ITEMS_DEFAULT, Cursor, Page, PageLimit
from libs.contracts.rpc import Method
from libs.contracts.values import Flag, KnownName, Name, Note, Sha256, Size
from libs.contracts.wire import Wire

FORMAT = "scriptorium.project/1"
AGGREGATES_MAX = 50_000
"""Aggregates of a project that is copied, exported or imported."""
PAGE_BYTES = 256 * 1024
"""A page of state ends with the line that fills it, uncompressed."""
PAGE_BYTES_MAX = 1 << 20
"""The longest line, and so the longest page but for one line, uncompressed."""
TEXT_BYTES_MAX = 5 << 20
"""The text of one scene, compressed, so that it fits into a message on the bus."""
CONVERSATION_BYTES_MAX = 2 << 20
"""A page of the conversations of a scene, uncompressed."""
LIBRARY_FILES_BYTES_MAX = 256 << 20
"""All files of one copy between a project and a library, because a person waits for it."""
THINGS_MAX = 1_000
"""Things that one request copies between a project and a library, with all that they refer to."""
JOBS_OPEN_MAX = 10
"""Jobs of one person that have not ended."""
PACKAGES_OPEN_MAX = 20
"""Packages that one person has open: exports, uploads, and jobs under way."""
TEMPLATES_MAX = 100
"""Templates of one person."""
TAKE_DEADLINE_S = 30.0
"""How long it may take to read the state of a project of AGGREGATES_MAX."""

LIBRARY_KINDS = (
    "entity", "tag", "relation", "tagging", "style_guide", "context_rule", "persona",
    "prompt_preset", "editor_definition",
)  # fmt: skip
"""Kinds that can be copied to a library and back; links are copied with both their entities."""

type LibraryKind = Literal[
    "entity", "tag", "style_guide", "context_rule", "persona", "prompt_preset", "editor_definition"
]
type JobKind = Literal["clone", "template", "instantiate", "import"]
type JobStep = Literal["waiting", "reading", "checking", "writing", "finishing"]
type PageNumber = Annotated[int, Field(ge=0, le=AGGREGATES_MAX)]


class Job(Wire):
    """A job as its creator sees it.

    `done` of `total` scenes, and then files, have gone through the present step. `project_id` or
    `template_id` is the result, which exists when the job is `done`, without `missing_files` whose
    bytes are not available. A `failed` job leaves nothing behind; `error` has the members `code`
    and `detail`, and names the place.
    """

    id: UUID
    kind: JobKind
    status: Literal["running", "done", "failed"]
    step: JobStep
    done: int
    total: int
    project_id: UUID | None
    template_id: UUID | None
    error: dict[str, Any] | None
    missing_files: int = 0
    created_at: datetime
    updated_at: datetime


class ProjectCopy(Wire):
    """The name of the new project; without it the project is called as the old one."""

    name: Name | None = None


class CloneCreate(ProjectCopy):
    """A clone, with the comments and suggestions of its scenes unless `comments` is false."""

    comments: Flag = True


class StartClone(CloneCreate):
    """Copy the actor's project into a new one that is theirs."""

    job_id: UUID


class TemplateCreate(Wire):
    """A template of a project as it is now; the members of the project may use a shared one."""

    name: Name
    description: Note | None = None
    shared: bool = False


class StartTemplate(TemplateCreate):
    """Keep the actor's project, as it is now, as a template."""

    job_id: UUID


class StartInstance(ProjectCopy):
    """Make a new project of a template; `team_ids` are the actor's teams."""

    job_id: UUID
    template_id: UUID
    team_ids: tuple[UUID, ...] = ()


class StartImport(ProjectCopy):
    """Make a new project of a package that was sent whole."""

    job_id: UUID
    package_id: UUID


class ReadJob(Wire):
    """Return the state of a job."""

    job_id: UUID


class Template(Wire):
    """A project at one moment, to begin others from.

    `kinds` counts what is in it. With `shared` the members of the project may use it, too.
    """

    id: UUID
    name: str
    description: str | None
    shared: bool
    owner_id: UUID
    project_id: UUID
    kinds: dict[str, int]
    created_at: datetime


class ListTemplates(Wire):
    """The actor's templates and those shared with them or their teams, the newest first."""

    team_ids: tuple[UUID, ...] = ()
    cursor: Cursor | None = None
    limit: PageLimit = PAGE_ITEMS_DEFAULT


class Templates(Page[Template]):
    """A page of templates."""


class OneTemplate(Wire):
    """A template, by its id; `team_ids` are the actor's teams."""

    template_id: UUID
    team_ids: tuple[UUID, ...] = ()


class Head(Wire):
    """The head of a package: its format, the project's name and editor, the number of each kind.

    Things are numbered from 1 in the order of `kinds`, so that these counts give the kind of each
    number.
    """

    format: str
    name: KnownName
    kinds: dict[str, Annotated[int, Field(ge=0, le=AGGREGATES_MAX)]]
    editor: EditorName | None = None

    @model_serializer(mode="wrap")
    def _without_null(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Leave a null editor out: the release before this one refuses what it does not know."""
        return {name: value for name, value in dump(self).items() if value is not None}


class TakePackage(Wire):
    """Make a package of the actor's project, without its texts."""

    package_id: UUID


class OpenPackage(Wire):
    """Begin a package that will be sent."""

    package_id: UUID
    head: Head


class PackageState(Wire):
    """A package: how many pages it has."""

    head: Head
    pages: int


class PutPage(Wire):
    """A page of a package: lines of JSON, the first of them about thing number `first`."""

    package_id: UUID
    page: PageNumber
    first: int = Field(ge=1, le=AGGREGATES_MAX)
    body: Base64Bytes


class PutText(Wire):
    """The text of scene number `number`: zstd of one Yjs update of `size` bytes."""

    package_id: UUID
    number: int = Field(ge=1, le=AGGREGATES_MAX)
    packed: Base64Bytes = Field(max_length=TEXT_BYTES_MAX)
    size: int = Field(ge=1)


class PutConversation(Wire):
    """A page of the conversations of scene number `number`: zstd of `size` bytes of lines."""

    package_id: UUID
    number: int = Field(ge=1, le=AGGREGATES_MAX)
    page: int = Field(ge=0, le=2**31 - 1)
    packed: Base64Bytes = Field(max_length=TEXT_BYTES_MAX)
    size: int = Field(ge=1, le=CONVERSATION_BYTES_MAX)


class ReadPage(Wire):
    """A page of a package."""

    package_id: UUID
    page: PageNumber


class PackagePage(Wire):
    """A page of a package: lines of JSON, and their texts and files.

    `scenes` are the ids under which the texts of its scenes are stored, by number; `files` are the
    sizes of the files of its things, by SHA-256.
    """

    body: Base64Bytes
    scenes: dict[int, UUID]
    files: dict[Sha256, Size] = Field(default_factory=dict[Sha256, Size])


class DropPackage(Wire):
    """Forget a package."""

    package_id: UUID


class TakeText(Wire):
    """The text of a scene as it is now, without what was deleted; as Markdown, too, if wanted."""

    scene_id: UUID
    markdown: bool = False


class Text(Wire):
    """zstd of one Yjs update of `size` bytes; empty, and size 0, when the scene has no text.

    `markdown`, compressed likewise, is empty where a message has no room for both.
    """

    packed: Base64Bytes
    size: int
    markdown: Base64Bytes


class PlantText(Wire):
    """Store a text as that of an empty scene; with `check` only find out whether it is possible."""

    scene_id: UUID
    packed: Base64Bytes
    size: int = Field(ge=1)
    check: bool = False


class ReadLog(Wire):
    """The events of the actor's project, thing by thing, after one event of a thing."""

    after: UUID = UUID(int=0)
    version: int = Field(default=0, ge=0)


class LogPage(Wire):
    """zstd of lines, one event each; go on with `after` and `version` unless they are null.

    A line is an event in the form that its checksum is made of, with that as its last member.
    """

    body: Base64Bytes
    after: UUID | None
    version: int


class Thing(Wire):
    """One thing that can be copied."""

    kind: LibraryKind
    id: UUID


type Things = Annotated[list[Thing], Field(min_length=1, max_length=THINGS_MAX)]


class OpenLibrary(Wire):
    """Return the project that is the actor's library; create it when there is none."""


class Library(Wire):
    """A person's own things: a project like any other that is in no list."""

    project_id: UUID


class Chosen(Wire):
    """The things to copy; things to which they refer, and links between them, are copied, too."""

    things: Things


class SaveToLibrary(Chosen):
    """Copy things of the actor's project into their library."""

    command_id: UUID


class ImportFromLibrary(Chosen):
    """Copy things of the actor's library into their project, as one bundle."""

    command_id: UUID
    may: frozenset[str]


START_CLONE = Method("events", "start_clone", StartClone, Job)
START_TEMPLATE = Method("events", "start_template", StartTemplate, Job)
START_INSTANCE = Method("events", "start_instance", StartInstance, Job)
START_IMPORT = Method("events", "start_import", StartImport, Job)
READ_JOB = Method("events", "read_job", ReadJob, Job)
LIST_TEMPLATES = Method("events", "list_templates", ListTemplates, Templates)
READ_TEMPLATE = Method("events", "read_template", OneTemplate, Template)
DELETE_TEMPLATE = Method("events", "delete_template", OneTemplate, Done)
TAKE_PACKAGE = Method("events", "take_package", TakePackage, PackageState)
OPEN_PACKAGE = Method("events", "open_package", OpenPackage, Done)
PUT_PAGE = Method("events", "put_package_page", PutPage, Done)
PUT_TEXT = Method("events", "put_package_text", PutText, Done)
PUT_CONVERSATION = Method("events", "put_package_conversation", PutConversation, Done)
READ_PAGE = Method("events", "read_package_page", ReadPage, PackagePage)
READ_LOG = Method("events", "read_log", ReadLog, LogPage)
DROP_PACKAGE = Method("events", "drop_package", DropPackage, Done)
OPEN_LIBRARY = Method("events", "open_library", OpenLibrary, Library)
SAVE_TO_LIBRARY = Method("events", "save_to_library", SaveToLibrary, Committed)
IMPORT_FROM_LIBRARY = Method("events", "import_from_library", ImportFromLibrary, Committed)
TAKE_TEXT = Method("collab", "take_text", TakeText, Text)
PLANT_TEXT = Method("collab", "plant_text", PlantText, Done)
