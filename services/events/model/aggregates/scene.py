"""A scene: the unit of live editing; its text lives elsewhere."""

from libs import errors
from libs.contracts.events.canon import SceneFilter
from libs.contracts.events.resources import Scene, SceneCreate, ScenePatch
from services.events.model.aggregate import Aggregate, Rising
from services.events.model.aggregates.editor_definition import EDITOR_NAMED
from services.events.model.listing import Filter, Key, Listing

SCENE = Aggregate(
    kind="scene",
    table="scenes",
    resource=Scene,
    create=SceneCreate,
    patch=ScenePatch,
    parent="chapter",
    named={"editor": EDITOR_NAMED},
    derived={"word_count": 0},
    figures={"word_count": "words"},
    rising={"schema_version": Rising(errors.SchemaLowered)},
    later={"schema_version": None, "editor": None},
    listing=Listing(
        model=SceneFilter,
        filters={name: Filter("is", name) for name in SceneFilter.model_fields},
        keys={
            "manuscript": Key("manuscript_key", "text"),
            "updatedAt": Key("updated_at", "timestamptz"),
        },
        view="scenes_in_order",
    ),
)
