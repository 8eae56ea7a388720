"""A tagging: that an entity is marked with a tag, an aggregate of its own."""

from libs.contracts.events.world import Tagging, TaggingCreate, TaggingFilter
from services.events.model.aggregate import AggregateSpec
from services.events.model.listing import CREATED, ListFilter, Listing

TAGGING = AggregateSpec(
    kind="tagging",
    table="taggings",
    resource=Tagging,
    create=TaggingCreate,
    parent="project",
    ordered=False,
    keeps_deleted=False,
    references={"entity_id": "entity", "tag_id": "tag"},
    hidden_with=("entity_id", "tag_id"),
    listing=Listing(
        model=TaggingFilter,
        filters={"entity_id": ListFilter("is", "entity_id"), "tag_id": ListFilter("is", "tag_id")},
        keys=CREATED,
    ),
)
