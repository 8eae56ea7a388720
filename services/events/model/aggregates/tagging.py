"""A tagging: that an entity is marked with a tag, an aggregate of its own."""

from libs.contracts.events.world import Tagging, TaggingCreate, TaggingFilter
from services.events.model.aggregate import Aggregate
from services.events.model.listing import CREATED, Filter, Listing

TAGGING = Aggregate(
    kind="tagging",
    table="taggings",
    resource=Tagging,
    create=TaggingCreate,
    parent="project",
    ordered=False,
    lasting=False,
    references={"entity_id": "entity", "tag_id": "tag"},
    hidden_with=("entity_id", "tag_id"),
    listing=Listing(
        model=TaggingFilter,
        filters={"entity_id": Filter("is", "entity_id"), "tag_id": Filter("is", "tag_id")},
        keys=CREATED,
    ),
)
