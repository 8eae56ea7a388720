"""A relation: what one entity is to another. Containment never runs in a circle."""

from libs.contracts.events.world import Relation, RelationCreate, RelationFilter, RelationPatch
from services.events.model.aggregate import Aggregate
from services.events.model.listing import DATED, Filter, Listing

RELATION = Aggregate(
    kind="relation",
    table="relations",
    resource=Relation,
    create=RelationCreate,
    patch=RelationPatch,
    parent="project",
    ordered=False,
    lasting=False,
    references={"source_entity_id": "entity", "target_entity_id": "entity"},
    hidden_with=("source_entity_id", "target_entity_id"),
    listing=Listing(
        model=RelationFilter,
        filters={
            "type": Filter("is", "type"),
            "source_entity_id": Filter("is", "source_entity_id"),
            "target_entity_id": Filter("is", "target_entity_id"),
            "entity_id": Filter("either_end", "source_entity_id"),
        },
        keys=DATED,
    ),
)
