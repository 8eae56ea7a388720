"""A tag: a word that entities are marked with."""

from libs.contracts.events.world import Tag, TagCreate, TagFilter, TagPatch
from services.events.model.aggregate import Aggregate
from services.events.model.listing import DATED, Filter, Key, Listing

TAG = Aggregate(
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
            "name": Filter("ignoring_case", "name_key"),
            "name_prefix": Filter("prefix", "name_key"),
            "entity_id": Filter("tag_of", "id"),
        },
        keys={"name": Key("name_key", "text"), **DATED},
    ),
)
