"""Canon of a story, and instructions for AI: facts, style guides, context rules, presets."""

from enum import StrEnum
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import Field

from libs.contracts.events.resources import Pov, Resource, SceneStatus, Tense
from libs.contracts.values import (
    Confidence,
    Flag,
    JsonObject,
    Moment,
    Name,
    Note,
    Prompt,
    Statement,
    Text,
)
from libs.contracts.wire import Wire

RAG_K_MAX = 100
INPUT_TOKENS_MAX = 10_000_000


class RevealState(StrEnum):
    """How much of a fact the reader has been told."""

    HIDDEN = "HIDDEN"
    HINTED = "HINTED"
    REVEALED = "REVEALED"


class Provenance(Wire):
    """The source of a fact: the scene, the place in its text, the certainty, and the words."""

    scene_id: UUID | None = None
    anchor_id: UUID | None = None
    confidence: Confidence | None = None
    snippet: Note | None = None


class CanonFact(Resource):
    """Something that is true about an entity, and where the reader learns it."""

    project_id: UUID
    entity_id: UUID
    fact: str
    reveal_state: RevealState
    reveal_scene_id: UUID | None
    reveal_at: Moment | None
    confidence: float
    provenance: Provenance | None


class CanonFactCreate(Wire):
    """A new fact."""

    entity_id: UUID
    fact: Statement
    reveal_state: RevealState = RevealState.HIDDEN
    reveal_scene_id: UUID | None = None
    reveal_at: Moment | None = Field(None, description="When that is by the story's own clock.")
    confidence: Confidence = 1
    provenance: Provenance | None = None


class CanonFactPatch(Wire):
    """Fields to change; absent fields stay, null clears an optional one."""

    fact: Statement = ""
    reveal_state: RevealState = RevealState.HIDDEN
    reveal_scene_id: UUID | None = None
    reveal_at: Moment | None = None
    confidence: Confidence = 1
    provenance: Provenance | None = None


class CanonFactFilter(Wire):
    """A filter for facts: every given member must match."""

    entity_id: UUID | None = None
    reveal_state: RevealState | None = None
    reveal_scene_id: UUID | None = None
    fact_contains: Name | None = None


class StyleGuide(Resource):
    """How a project is to be written, as its authors wish to say it."""

    project_id: UUID
    name: str
    guide: dict[str, Any]


class StyleGuideCreate(Wire):
    """A new style guide."""

    name: Name
    guide: JsonObject = Field(default_factory=dict)


class StyleGuidePatch(Wire):
    """Fields to change; absent fields stay."""

    name: Name = ""
    guide: JsonObject = Field(default_factory=dict)


RagK = Annotated[int, Field(strict=True, ge=0, le=RAG_K_MAX)]
InputTokens = Annotated[int, Field(strict=True, ge=1, le=INPUT_TOKENS_MAX)]


class ContextRule(Resource):
    """A selection of the material that a model reads before it writes.

    `structure` selects the outline, `kb` the entities and canon, `rag_k` the number of retrieved
    passages; all together have at most `max_input_tokens`.
    """

    project_id: UUID
    name: str
    enabled: bool
    structure: bool
    kb: bool
    rag_k: int
    max_input_tokens: int | None
    style_guide_id: UUID | None


class ContextRuleCreate(Wire):
    """A new context rule."""

    name: Name
    enabled: Flag = True
    structure: Flag = True
    kb: Flag = True
    rag_k: RagK = 8
    max_input_tokens: InputTokens | None = None
    style_guide_id: UUID | None = None


class ContextRulePatch(Wire):
    """Fields to change; absent fields stay, null clears an optional one."""

    name: Name = ""
    enabled: Flag = True
    structure: Flag = True
    kb: Flag = True
    rag_k: RagK = 8
    max_input_tokens: InputTokens | None = None
    style_guide_id: UUID | None = None


class Persona(Resource):
    """Whom a model writes as."""

    project_id: UUID
    name: str
    description: str | None
    prompt: str


class PersonaCreate(Wire):
    """A new persona."""

    name: Name
    description: Text | None = None
    prompt: Prompt = ""


class PersonaPatch(Wire):
    """Fields to change; absent fields stay, null clears an optional one."""

    name: Name = ""
    description: Text | None = None
    prompt: Prompt = ""


class PromptPreset(Resource):
    """A reusable request to a model; `constraints` are in the terms of its tool."""

    project_id: UUID
    name: str
    prompt: str
    persona_id: UUID | None
    context_rule_id: UUID | None
    model_profile_ref: str | None
    constraints: dict[str, Any]


class PromptPresetCreate(Wire):
    """A new prompt preset."""

    name: Name
    prompt: Prompt = ""
    persona_id: UUID | None = None
    context_rule_id: UUID | None = None
    model_profile_ref: Name | None = None
    constraints: JsonObject = Field(default_factory=dict)


class PromptPresetPatch(Wire):
    """Fields to change; absent fields stay, null clears an optional one."""

    name: Name = ""
    prompt: Prompt = ""
    persona_id: UUID | None = None
    context_rule_id: UUID | None = None
    model_profile_ref: Name | None = None
    constraints: JsonObject = Field(default_factory=dict)


class NameFilter(Wire):
    """A filter: every given member must match. Names are compared without regard to case."""

    name: Name | None = None
    name_prefix: Name | None = None
    name_contains: Name | None = None


class SceneFilter(Wire):
    """A filter for scenes: every given member must match."""

    status: SceneStatus | None = None
    pov: Pov | None = None
    tense: Tense | None = None
    book_id: UUID | None = None
    chapter_id: UUID | None = None


type SceneSort = Literal["manuscript", "-manuscript", "updatedAt", "-updatedAt"]
type FactSort = Literal[
    "createdAt", "-createdAt", "updatedAt", "-updatedAt", "confidence", "-confidence"
]
