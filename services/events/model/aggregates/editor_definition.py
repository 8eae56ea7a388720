"""An editor that a team defined: its schema, and the declarations of its clients."""

from libs import errors
from libs.contracts.editors import BuiltIn
from libs.contracts.events.team_editors import Editor, EditorCreate, EditorFilter, EditorPatch
from services.events.model.aggregate import AggregateSpec, MonotonicField, NameReference
from services.events.model.listing import BY_NAME, NAMED, Listing

KIND = "editor_definition"
EDITOR_NAMED = NameReference(KIND, frozenset(BuiltIn))
"""The reference in the field `editor` of a project, a book and a scene."""

EDITOR_DEFINITION = AggregateSpec(
    kind=KIND,
    table="editor_definitions",
    resource=Editor,
    create=EditorCreate,
    patch=EditorPatch,
    parent="project",
    ordered=False,
    monotonic={
        "definition": MonotonicField(
            errors.SchemaLowered, level=lambda definition: definition.get("version")
        )
    },
    listing=Listing(model=EditorFilter, filters=BY_NAME, keys=NAMED),
)
