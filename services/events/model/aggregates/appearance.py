"""An appearance: how an entity is in a scene."""

from libs.contracts.events.world import (
    Appearance,
    AppearanceCreate,
    AppearanceFilter,
    AppearancePatch,
)
from services.events.model.aggregate import AggregateSpec
from services.events.model.listing import DATED, ListFilter, Listing, SortKey

APPEARANCE = AggregateSpec(
    kind="appearance",
    table="appearances",
    resource=Appearance,
    create=AppearanceCreate,
    patch=AppearancePatch,
    parent="project",
    ordered=False,
    keeps_deleted=False,
    references={"scene_id": "scene", "entity_id": "entity", "anchor_id": "anchor"},
    hidden_with=("entity_id", "scene_id"),
    listing=Listing(
        model=AppearanceFilter,
        filters={
            "scene_id": ListFilter("is", "scene_id"),
            "entity_id": ListFilter("is", "entity_id"),
            "role": ListFilter("is", "role"),
        },
        keys={"manuscript": SortKey("manuscript_key", "text"), **DATED},
    ),
)
