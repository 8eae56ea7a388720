"""A scene: the unit of live editing; its text lives elsewhere."""

from libs import errors
from libs.contracts.resources import Scene, SceneCreate, ScenePatch
from services.events.model.aggregate import Aggregate

SCENE = Aggregate(
    kind="scene",
    table="scenes",
    resource=Scene,
    create=SceneCreate,
    patch=ScenePatch,
    parent="chapter",
    derived={"word_count": 0},
    rising={"schema_version": errors.SchemaLowered},
    later={"schema_version": None},
)
