"""A persona: the voice in which a model writes."""

from libs.contracts.events.canon import NameFilter, Persona, PersonaCreate, PersonaPatch
from services.events.model.aggregate import AggregateSpec
from services.events.model.listing import BY_NAME, NAMED, Listing

PERSONA = AggregateSpec(
    kind="persona",
    table="personas",
    resource=Persona,
    create=PersonaCreate,
    patch=PersonaPatch,
    parent="project",
    ordered=False,
    listing=Listing(model=NameFilter, filters=BY_NAME, keys=NAMED),
)
