"""The routes of entities, canon, craft and editors as data, and the questions about the story."""

from uuid import UUID

from libs.bus import Caller
from libs.contracts.events import canon, story, team_editors, world
from libs.contracts.events.resources import Kind
from libs.contracts.events.world import AppearanceRole
from services.gateway.access.authority import Authority
from services.gateway.access.limits import LimitClass
from services.gateway.api.aggregates import Aggregate
from services.gateway.api.entities import Entities, EntityDraft
from services.gateway.api.manuscript import routes_of
from services.gateway.api.shapes import SHAPES, Shape, Slice, change_of, listing_of, page_of
from services.gateway.http.blob_tickets import Blobs
from services.gateway.http.route import Answer, AnyRoute, Call, NoBody, Route

ENTITY = Shape(
    "entity",
    "entities",
    "project",
    EntityDraft,
    change_of(world.EntityPatch),
    world.Entity,
    listing=listing_of(world.EntityFilter, world.EntitySort),
    ordered=False,
    problems=("SLUG_TAKEN", "BLOB_UNAVAILABLE", "QUOTA_EXCEEDED", "STORAGE_FULL"),
)
RELATION = Shape(
    "relation",
    "relations",
    "project",
    world.RelationCreate,
    change_of(world.RelationPatch),
    world.Relation,
    listing=listing_of(world.RelationFilter, world.DatedSort, page=Slice),
    ordered=False,
    lasting=False,
    problems=("ALREADY_EXISTS", "RELATION_CYCLE"),
)
TAG = Shape(
    "tag",
    "tags",
    "project",
    world.TagCreate,
    change_of(world.TagPatch),
    world.Tag,
    listing=listing_of(world.TagFilter, world.NamedSort),
    ordered=False,
    problems=("ALREADY_EXISTS",),
)
TAGGING = Shape(
    "tagging",
    "taggings",
    "project",
    world.TaggingCreate,
    None,
    world.Tagging,
    listing=listing_of(world.TaggingFilter, world.CreatedSort, page=Slice),
    ordered=False,
    lasting=False,
    problems=("ALREADY_EXISTS",),
)
APPEARANCE = Shape(
    "appearance",
    "appearances",
    "project",
    world.AppearanceCreate,
    change_of(world.AppearancePatch),
    world.Appearance,
    listing=listing_of(world.AppearanceFilter, world.AppearanceSort, page=Slice),
    ordered=False,
    lasting=False,
    problems=("ALREADY_EXISTS",),
)
FACT = Shape(
    "canon_fact",
    "facts",
    "project",
    canon.CanonFactCreate,
    change_of(canon.CanonFactPatch),
    canon.CanonFact,
    listing=listing_of(canon.CanonFactFilter, canon.FactSort),
    thing="canon",
    ordered=False,
)
STYLE_GUIDE = Shape(
    "style_guide",
    "style-guides",
    "project",
    canon.StyleGuideCreate,
    change_of(canon.StyleGuidePatch),
    canon.StyleGuide,
    listing=listing_of(canon.NameFilter, world.NamedSort),
    ordered=False,
)
CONTEXT_RULE = Shape(
    "context_rule",
    "context-rules",
    "project",
    canon.ContextRuleCreate,
    change_of(canon.ContextRulePatch),
    canon.ContextRule,
    listing=listing_of(canon.NameFilter, world.NamedSort),
    ordered=False,
)
PERSONA = Shape(
    "persona",
    "personas",
    "project",
    canon.PersonaCreate,
    change_of(canon.PersonaPatch),
    canon.Persona,
    listing=listing_of(canon.NameFilter, world.NamedSort),
    ordered=False,
)
PROMPT_PRESET = Shape(
    "prompt_preset",
    "prompt-presets",
    "project",
    canon.PromptPresetCreate,
    change_of(canon.PromptPresetPatch),
    canon.PromptPreset,
    listing=listing_of(canon.NameFilter, world.NamedSort),
    ordered=False,
)
EDITOR = Shape(
    "editor_definition",
    "editors",
    "project",
    team_editors.EditorCreate,
    change_of(team_editors.EditorPatch),
    team_editors.Editor,
    listing=listing_of(team_editors.EditorFilter, world.NamedSort),
    ordered=False,
    problems=("ALREADY_EXISTS", "SCHEMA_LOWERED"),
)

WORLD_SHAPES = (
    ENTITY,
    RELATION,
    TAG,
    TAGGING,
    APPEARANCE,
    FACT,
    STYLE_GUIDE,
    CONTEXT_RULE,
    PERSONA,
    PROMPT_PRESET,
    EDITOR,
)

_BY_KIND = {shape.kind: shape for shape in (*SHAPES, *WORLD_SHAPES)}

BELOW: tuple[tuple[Kind, Kind, str], ...] = (
    ("scene", "project", "/api/projects/{id}/scenes"),
    ("appearance", "scene", "/api/scenes/{id}/appearances"),
    ("relation", "entity", "/api/entities/{id}/relations"),
    ("tag", "entity", "/api/entities/{id}/tags"),
    ("canon_fact", "entity", "/api/entities/{id}/facts"),
)
"""Lists below something else than the usual parent: what, below what, and where."""


class AppearanceSlice(Slice):
    """Which of an entity's scenes."""

    role: AppearanceRole | None = None


class KnowledgeSlice(Slice):
    """Which part of what is known; with a character's id, only what that one knows."""

    entity_id: UUID | None = None


def world_routes(caller: Caller, authority: Authority, blobs: Blobs) -> list[AnyRoute]:
    """Return the routes of every kind of the world, and of the questions about the story."""
    found = routes_of(ENTITY, Entities(ENTITY, caller, authority, blobs))
    found += [
        route
        for shape in WORLD_SHAPES
        if shape is not ENTITY
        for route in routes_of(shape, Aggregate(shape, caller, authority))
    ]
    for kind, parent, path in BELOW:
        shape = _BY_KIND[kind]
        found.append(_below(shape, parent, path, Aggregate(shape, caller, authority)))
    return found + StoryRoutes(caller).routes()


def _below(shape: Shape, parent: Kind, path: str, handlers: Aggregate) -> AnyRoute:
    words = shape.plural.replace("-", " ")
    return Route(
        method="GET",
        path=path,
        handler=handlers.list_below(parent),
        summary=f"List the {words} of {'an entity' if parent == 'entity' else f'a {parent}'}",
        tag=words.capitalize(),
        body=NoBody,
        query=shape.listing,
        cost=LimitClass.READ,
        place=(parent, "id"),
        action=shape.action("read"),
        answer=page_of(shape.resource),
    )


class StoryRoutes:
    """Questions that read several kinds at once."""

    def __init__(self, caller: Caller) -> None:
        """Ask events over *caller*."""
        self._caller = caller

    def routes(self) -> list[AnyRoute]:
        """Return the routes."""
        return [
            Route(
                method="GET",
                path="/api/entities/{id}/appearances",
                handler=self.appearances,
                summary="List the scenes that an entity is in",
                description="In manuscript order; `role=POV` lists the scenes told through it.",
                tag="Appearances",
                body=NoBody,
                query=AppearanceSlice,
                cost=LimitClass.READ,
                place=("entity", "id"),
                action="appearance.read",
                answer=story.SceneAppearances,
            ),
            Route(
                method="GET",
                path="/api/scenes/{id}/knowledge",
                handler=self.knowledge,
                summary="Who knows what at the end of a scene",
                description=(
                    "The facts revealed up to and in this scene, in the order of telling, each"
                    " with the characters who were there; with `entityId`, only what that"
                    " character was there for."
                ),
                tag="Facts",
                body=NoBody,
                query=KnowledgeSlice,
                cost=LimitClass.READ,
                place=("scene", "id"),
                action="canon.read",
                answer=story.Knowledge,
            ),
        ]

    async def appearances(self, call: Call[NoBody, AppearanceSlice]) -> Answer:
        """Show where an entity is."""
        question = story.AppearancesOf(
            entity_id=call.path["id"],
            role=call.query.role,
            cursor=call.query.cursor,
            limit=call.query.limit,
        )
        return Answer.json(await self._caller.ask(story.APPEARANCES_OF, question, call.actor))

    async def knowledge(self, call: Call[NoBody, KnowledgeSlice]) -> Answer:
        """Show what is known at the end of a scene."""
        question = story.KnowledgeAt(
            scene_id=call.path["id"],
            entity_id=call.query.entity_id,
            cursor=call.query.cursor,
            limit=call.query.limit,
        )
        return Answer.json(await self._caller.ask(story.KNOWLEDGE_AT, question, call.actor))
