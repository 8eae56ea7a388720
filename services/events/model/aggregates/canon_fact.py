"""A canon fact: something true about an entity, and the scene in which the reader learns it."""

from libs.contracts.events.canon import (
    CanonFact,
    CanonFactCreate,
    CanonFactFilter,
    CanonFactPatch,
    Provenance,
)
from services.events.model.aggregate import AggregateSpec
from services.events.model.listing import DATED, ListFilter, Listing, SortKey
from services.events.model.part import Part

CANON_FACT = AggregateSpec(
    kind="canon_fact",
    table="canon_facts",
    resource=CanonFact,
    create=CanonFactCreate,
    patch=CanonFactPatch,
    parent="project",
    ordered=False,
    references={
        "entity_id": "entity",
        "reveal_scene_id": "scene",
        "provenance_scene_id": "scene",
        "provenance_anchor_id": "anchor",
    },
    hidden_with=("entity_id",),
    times=frozenset({"reveal_at"}),
    parts=(Part(name="provenance", given=Provenance),),
    listing=Listing(
        model=CanonFactFilter,
        filters={
            "entity_id": ListFilter("is", "entity_id"),
            "reveal_state": ListFilter("is", "reveal_state"),
            "reveal_scene_id": ListFilter("is", "reveal_scene_id"),
            "fact_contains": ListFilter("contains", "fact"),
        },
        keys={**DATED, "confidence": SortKey("confidence", "float8")},
    ),
)
