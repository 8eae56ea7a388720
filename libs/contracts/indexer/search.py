"""Searching a project, and the state of its index."""

from enum import StrEnum
from typing import Annotated, Literal
from uuid import UUID

from pydantic import AwareDatetime, Field, StringConstraints

from libs.contracts.pages import Cursor
from libs.contracts.positions import YjsRange
from libs.contracts.rpc import Method
from libs.contracts.things import PathPart, ThingKind
from libs.contracts.wire import Wire

QUERY_CHARS_MAX = 1_000
"""Of a query; MiniLM reads 256 tokens, and words beyond them would only slow the lexical leg."""
HITS_MAX = 50
HITS_DEFAULT = 20

QueryText = Annotated[str, StringConstraints(min_length=1, max_length=QUERY_CHARS_MAX)]

FilterText = Annotated[str, StringConstraints(min_length=1, max_length=100)]
PrefixText = Annotated[str, StringConstraints(min_length=1, max_length=100)]
SUGGESTIONS_MAX = 20
SUGGESTIONS_DEFAULT = 10


class SearchMode(StrEnum):
    """How matches are found: by meaning, by words, or by both, fused."""

    HYBRID = "hybrid"
    TEXT = "text"
    SEMANTIC = "semantic"


class SearchProject(Wire):
    """Search the actor's project.

    Words between double quotes are found as they stand. `type` is that of an entity or of a scene's
    book, `since` and `until` the time of a thing's last change (from, and before). `grouped` shows
    of each thing only its best match.
    """

    q: QueryText
    mode: SearchMode = SearchMode.HYBRID
    kinds: list[ThingKind] = Field(default_factory=list[ThingKind], max_length=len(ThingKind))
    book_id: UUID | None = None
    chapter_id: UUID | None = None
    type: FilterText | None = None
    status: FilterText | None = None
    tag_id: UUID | None = None
    since: AwareDatetime | None = None
    until: AwareDatetime | None = None
    grouped: bool = False
    limit: Annotated[int, Field(ge=1, le=HITS_MAX)] = HITS_DEFAULT
    cursor: Cursor | None = None


class HitAnchor(Wire):
    """The place of a hit's text in its scene.

    `yjs` finds it in any editor, also after later edits; `from` and `to` are UTF-16 offsets into
    `format=text` of the version `seq`.
    """

    seq: int
    from_: int = Field(alias="from")
    to: int
    quote: str
    yjs: YjsRange


class Hit(Wire):
    """A match.

    `highlights` are UTF-16 offsets into `snippet`, of the words that the query has too.
    """

    kind: ThingKind
    id: UUID
    scene_id: UUID | None = None
    chunk_id: UUID
    score: float
    snippet: str
    highlights: list[tuple[int, int]]
    anchor: HitAnchor | None = None
    title: str | None
    path: list[PathPart]


class IndexInUse(Wire):
    """How much waits to be indexed in this project, and which model made the vectors.

    `pending` counts scenes and other things whose newest state is not searchable yet, `unembedded`
    chunks that are found by their words only, until their vectors are made.
    """

    pending: int
    unembedded: int
    model: str


class SearchHits(Wire):
    """Matches, the best first; `mode` is the one that was served.

    Without a model, or while it is loading, a hybrid search answers by words alone and says so.
    `corrected` is the query that was answered instead when the words as typed were hardly found.
    """

    items: list[Hit]
    next_cursor: str | None = None
    took_ms: float
    mode: SearchMode
    corrected: str | None = None
    index: IndexInUse


class FindSimilar(Wire):
    """Find things of the actor's project that resemble one: scenes a scene, entities an entity."""

    kind: Literal[ThingKind.SCENE, ThingKind.ENTITY]
    id: UUID
    limit: Annotated[int, Field(ge=1, le=HITS_MAX)] = HITS_DEFAULT


class SuggestNames(Wire):
    """Suggest scenes and entities of a project by the begin of a name, or of its words."""

    q: PrefixText
    limit: Annotated[int, Field(ge=1, le=SUGGESTIONS_MAX)] = SUGGESTIONS_DEFAULT


class NameSuggestion(Wire):
    """A thing that has such a name: `name` is that one, `title` the main one."""

    kind: ThingKind
    id: UUID
    name: str
    title: str
    path: list[PathPart]


class NameSuggestions(Wire):
    """NameSuggestions, the nearest first."""

    items: list[NameSuggestion]
    took_ms: float


class IndexStrategy(StrEnum):
    """How vectors of a project are compared: not at all, one by one, or by a graph."""

    NONE = "none"
    PLAIN = "plain"


class ReadIndex(Wire):
    """Read the state of the index of the actor's project."""


class IndexState(Wire):
    """The index of a project.

    `rebuild` is the share that a running rebuild has done, from 0 to 1; null when none runs.
    """

    documents: int
    chunks: int
    vectors: int
    pending: int
    unembedded: int
    strategy: IndexStrategy
    model: str
    rebuild: float | None = None


class RebuildIndex(Wire):
    """Make the index of the actor's project anew, or that of all projects without one."""


SEARCH = Method("indexer", "search", SearchProject, SearchHits)
FIND_SIMILAR = Method("indexer", "find_similar", FindSimilar, SearchHits)
SUGGEST_NAMES = Method("indexer", "suggest_names", SuggestNames, NameSuggestions)
READ_INDEX = Method("indexer", "read_index", ReadIndex, IndexState)
REBUILD_INDEX = Method("indexer", "rebuild_index", RebuildIndex, IndexState)
