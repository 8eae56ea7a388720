"""A relation of one entity to another. Containment never runs in a circle."""

from libs.contracts.events.world import Relation, RelationCreate, RelationFilter, RelationPatch
from services.events.model.aggregate import AggregateSpec
from services.events.model.listing import DATED, ListFilter, Listing

RELATION = AggregateSpec(
    kind="relation",
    table="relations",
    resource=Relation,
    create=RelationCreate,
    patch=RelationPatch,
    parent="project",
    ordered=False,
    keeps_deleted=False,
    references={"source_entity_id": "entity", "target_entity_id": "entity"},
    hidden_with=("source_entity_id", "target_entity_id"),
    listing=Listing(
        model=RelationFilter,
        filters={
            "type": ListFilter("is", "type"),
            "source_entity_id": ListFilter("is", "source_entity_id"),
            "target_entity_id": ListFilter("is", "target_entity_id"),
            "entity_id": ListFilter("either_end", "source_entity_id"),
        },
        keys=DATED,
    ),
)
