"""An appearance: how an entity is in a scene."""

from libs.contracts.events.world import (
    Appearance,
    AppearanceCreate,
    AppearanceFilter,
    AppearancePatch,
)
from services.events.model.aggregate import Aggregate
from services.events.model.listing import DATED, Filter, Key, Listing

APPEARANCE = Aggregate(
    kind="appearance",
    table="appearances",
    resource=Appearance,
    create=AppearanceCreate,
    patch=AppearancePatch,
    parent="project",
    ordered=False,
    lasting=False,
    references={"scene_id": "scene", "entity_id": "entity", "anchor_id": "anchor"},
    hidden_with=("entity_id", "scene_id"),
    listing=Listing(
        model=AppearanceFilter,
        filters={
            "scene_id": Filter("is", "scene_id"),
            "entity_id": Filter("is", "entity_id"),
            "role": Filter("is", "role"),
        },
        keys={"manuscript": Key("manuscript_key", "text"), **DATED},
    ),
)
