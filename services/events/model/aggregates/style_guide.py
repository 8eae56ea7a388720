"""A style guide: how a project is to be written."""

from libs.contracts.events.canon import NameFilter, StyleGuide, StyleGuideCreate, StyleGuidePatch
from services.events.model.aggregate import AggregateSpec
from services.events.model.listing import BY_NAME, NAMED, Listing

STYLE_GUIDE = AggregateSpec(
    kind="style_guide",
    table="style_guides",
    resource=StyleGuide,
    create=StyleGuideCreate,
    patch=StyleGuidePatch,
    parent="project",
    ordered=False,
    listing=Listing(model=NameFilter, filters=BY_NAME, keys=NAMED),
)
