"""A scene: the unit of live editing; its text lives elsewhere."""

from libs import errors
from libs.contracts.events.canon import SceneFilter
from libs.contracts.events.resources import Scene, SceneCreate, ScenePatch
from services.events.model.aggregate import AggregateSpec, MonotonicField
from services.events.model.aggregates.editor_definition import EDITOR_NAMED
from services.events.model.listing import ListFilter, Listing, SortKey

SCENE = AggregateSpec(
    kind="scene",
    table="scenes",
    resource=Scene,
    create=SceneCreate,
    patch=ScenePatch,
    parent="chapter",
    named={"editor": EDITOR_NAMED},
    derived={"word_count": 0},
    figures={"word_count": "words"},
    monotonic={"schema_version": MonotonicField(errors.SchemaLowered)},
    later={"schema_version": None, "editor": None},
    listing=Listing(
        model=SceneFilter,
        filters={name: ListFilter("is", name) for name in SceneFilter.model_fields},
        keys={
            "manuscript": SortKey("manuscript_key", "text"),
            "updatedAt": SortKey("updated_at", "timestamptz"),
        },
        view="scenes_in_order",
    ),
)
