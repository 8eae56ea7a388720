"""Searching a project, and the state of its index."""

from collections.abc import Mapping
from typing import Annotated, Any
from uuid import UUID

from pydantic import AwareDatetime, Field, StringConstraints

from libs import errors
from libs.contracts.indexer.search import (
    FIND_SIMILAR,
    HITS_DEFAULT,
    HITS_MAX,
    READ_INDEX,
    REBUILD_INDEX,
    SEARCH,
    SUGGEST_NAMES,
    SUGGESTIONS_DEFAULT,
    SUGGESTIONS_MAX,
    FilterText,
    PrefixText,
    QueryText,
    SearchMode,
)
from libs.contracts.pages import Cursor
from libs.contracts.things import ThingKind
from services.gateway.access.limits import LimitClass
from services.gateway.http.endpoint import Context, Endpoint
from services.gateway.http.route import AnyCall, Query

_KINDS = ", ".join(ThingKind)


class SearchOf(Query):
    """A query, and the place that is searched."""

    q: QueryText = Field(
        description="The words, or a sentence that means what is looked for. Words between double"
        " quotes are found as they stand."
    )
    mode: SearchMode = Field(
        default=SearchMode.HYBRID,
        description="By words (`text`), by meaning (`semantic`), or by both, fused.",
    )
    kinds: Annotated[str, StringConstraints(max_length=100)] | None = Field(
        default=None, description=f"Only these kinds, separated by commas: {_KINDS}."
    )
    book_id: UUID | None = None
    chapter_id: UUID | None = None
    type: FilterText | None = Field(
        default=None, description="Only entities of this type, and scenes of books of this kind."
    )
    status: FilterText | None = Field(
        default=None, description="Only scenes and tasks with this status."
    )
    tag_id: UUID | None = Field(
        default=None, description="Only entities with this tag, and facts about them."
    )
    since: AwareDatetime | None = Field(
        default=None, description="Only what was changed at this time (UTC) or later."
    )
    until: AwareDatetime | None = Field(
        default=None, description="Only what was changed last before this time (UTC)."
    )
    grouped: bool = Field(
        default=False, description="Whether each scene, entity or fact shows only its best match."
    )
    limit: Annotated[int, Field(ge=1, le=HITS_MAX)] = HITS_DEFAULT
    cursor: Cursor | None = None


class SimilarTo(Query):
    """How many similar things are listed."""

    limit: Annotated[int, Field(ge=1, le=HITS_MAX)] = HITS_DEFAULT


class SuggestedFor(Query):
    """The begin of a name."""

    q: PrefixText = Field(description="The begin of a name or title, or of a word of it.")
    limit: Annotated[int, Field(ge=1, le=SUGGESTIONS_MAX)] = SUGGESTIONS_DEFAULT


async def _question(_: Context, call: AnyCall) -> Mapping[str, Any]:
    given = call.query.model_dump(exclude_none=True)
    return given | {"kinds": _kinds(given.get("kinds"))}


async def _scene(_context: Context, _call: AnyCall) -> Mapping[str, Any]:
    return {"kind": ThingKind.SCENE}


async def _entity(_context: Context, _call: AnyCall) -> Mapping[str, Any]:
    return {"kind": ThingKind.ENTITY}


def _kinds(listed: str | None) -> list[ThingKind]:
    names = [each.strip() for each in (listed or "").split(",") if each.strip()]
    try:
        return list(dict.fromkeys(ThingKind(name) for name in names))
    except ValueError as error:
        detail = f"must be some of {_KINDS}, separated by commas"
        raise errors.Invalid(errors=[{"field": "kinds", "detail": detail}]) from error


ENDPOINTS = (
    Endpoint(
        "GET",
        "/api/projects/{id}/search",
        SEARCH,
        summary="Search the texts, entities and facts of a project",
        description=(
            "By words and by meaning (`mode=hybrid`), or by one of them. A match is a paragraph"
            " of a scene, the title and summary of a scene, an entity, or a fact. What is written"
            " is found by its words within about a second, by its meaning within about two;"
            " what is deleted is never shown. While the model is loading, or where there is none, a"
            " hybrid search answers by words alone: `mode` says which one was served."
        ),
        tag="Search",
        query=SearchOf,
        cost=LimitClass.READ,
        place="project",
        action="search.query",
        prepare=_question,
    ),
    Endpoint(
        "GET",
        "/api/projects/{id}/search/suggest",
        SUGGEST_NAMES,
        summary="Suggest names and titles while somebody types",
        description=(
            "Scenes and entities of which a name (a title, an alias) or a word of it begins so,"
            " without regard to case; those that begin with it come first, then short names."
        ),
        tag="Search",
        query=SuggestedFor,
        cost=LimitClass.READ,
        place="project",
        action="search.query",
    ),
    Endpoint(
        "GET",
        "/api/scenes/{id}/similar",
        FIND_SIMILAR,
        summary="Find scenes that resemble a scene",
        description=(
            "In the whole project, by the meaning of their paragraphs. Each scene comes once, with"
            " the paragraph that resembles most. Without a model (`mode=text`) words count."
        ),
        tag="Search",
        query=SimilarTo,
        cost=LimitClass.READ,
        place="scene",
        action="search.query",
        prepare=_scene,
    ),
    Endpoint(
        "GET",
        "/api/entities/{id}/similar",
        FIND_SIMILAR,
        summary="Find entities that resemble an entity",
        description=(
            "By the meaning of their names, descriptions and story details. Without a model"
            " (`mode=text`) words count."
        ),
        tag="Search",
        query=SimilarTo,
        cost=LimitClass.READ,
        place="entity",
        action="search.query",
        prepare=_entity,
    ),
    Endpoint(
        "GET",
        "/api/projects/{id}/index",
        READ_INDEX,
        summary="Read the state of a project's index",
        tag="Search",
        cost=LimitClass.READ,
        place="project",
        action="search.query",
    ),
    Endpoint(
        "POST",
        "/api/projects/{id}/index/rebuild",
        REBUILD_INDEX,
        summary="Make the index of a project anew",
        description=(
            "From the texts and things themselves, in the background; search goes on meanwhile."
            " `rebuild` of the index tells how far it is."
        ),
        tag="Search",
        cost=LimitClass.WRITE,
        place="project",
        action="search.rebuild",
        status=202,
        deadline_s=30.0,
    ),
)
