"""A tag: a word that entities are marked with."""

from libs.contracts.events.world import Tag, TagCreate, TagFilter, TagPatch
from services.events.model.aggregate import AggregateSpec
from services.events.model.listing import DATED, ListFilter, Listing, SortKey

TAG = AggregateSpec(
    kind="tag",
    table="tags",
    resource=Tag,
    create=TagCreate,
    patch=TagPatch,
    parent="project",
    ordered=False,
    listing=Listing(
        model=TagFilter,
        filters={
            "name": ListFilter("ignoring_case", "name_key"),
            "name_prefix": ListFilter("prefix", "name_key"),
            "entity_id": ListFilter("tag_of", "id"),
        },
        keys={"name": SortKey("name_key", "text"), **DATED},
    ),
)
