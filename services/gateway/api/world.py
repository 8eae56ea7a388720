"""The shapes of entities, canon, craft and editors, and the lists below other parents."""

from typing import Annotated

from pydantic import StringConstraints

from libs.contracts.events import canon, team_editors, world
from libs.contracts.events.resources import Kind
from services.gateway.api.anchors import require_anchor_of_appearance, require_anchor_of_fact
from services.gateway.api.shapes import SCENE, Shape, change_of, listing_of
from services.gateway.http.pages import Slice

CONTENT_CHARS_MAX = 200_000


class EntityDraft(world.EntityCreate):
    """A new entity; only a `task` takes task details, only the story bible story details.

    `content` is Markdown or plain text, and becomes the entity's file.
    """

    content: Annotated[str, StringConstraints(max_length=CONTENT_CHARS_MAX)] | None = None


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
    problems=("ALREADY_EXISTS", "ANCHOR_NOT_FOUND"),
    check=require_anchor_of_appearance,
)
FACT = Shape(
    "canon_fact",
    "facts",
    "project",
    canon.CanonFactCreate,
    change_of(canon.CanonFactPatch),
    canon.CanonFact,
    listing=listing_of(canon.CanonFactFilter, canon.FactSort),
    ordered=False,
    problems=("ANCHOR_NOT_FOUND",),
    check=require_anchor_of_fact,
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


BELOW: tuple[tuple[Shape, Kind, str], ...] = (
    (SCENE, "project", "/api/projects/{id}/scenes"),
    (APPEARANCE, "scene", "/api/scenes/{id}/appearances"),
    (RELATION, "entity", "/api/entities/{id}/relations"),
    (TAG, "entity", "/api/entities/{id}/tags"),
    (FACT, "entity", "/api/entities/{id}/facts"),
)
"""Lists below something else than the usual parent: what, below what, and where."""
