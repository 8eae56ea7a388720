"""A prompt preset: a request to a model, ready to be used again."""

from libs.contracts.events.canon import (
    NameFilter,
    PromptPreset,
    PromptPresetCreate,
    PromptPresetPatch,
)
from services.events.model.aggregate import AggregateSpec
from services.events.model.listing import BY_NAME, NAMED, Listing

PROMPT_PRESET = AggregateSpec(
    kind="prompt_preset",
    table="prompt_presets",
    resource=PromptPreset,
    create=PromptPresetCreate,
    patch=PromptPresetPatch,
    parent="project",
    ordered=False,
    references={"persona_id": "persona", "context_rule_id": "context_rule"},
    listing=Listing(model=NameFilter, filters=BY_NAME, keys=NAMED),
)
