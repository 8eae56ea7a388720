"""Any history of bundles, undos and redos does what a simple model of it does."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from libs import errors
from libs.bus import Caller
from libs.contracts.ids import new_id
from libs.postgres import Pool
from services.events.model.aggregate import Row
from services.events.model.aggregates import AGGREGATES
from services.events.model.log import first_broken, fold
from services.events.store import events_from_rows
from tests.events.bundling import Bundling, create, delete, put, restore
from tests.events.support import Json, World

STEPS = 20
SCENES_MAX = 3
WORDS = st.sampled_from(["a", "b", "c"])
FIELDS = st.sampled_from(["title", "summary"])

KINDS = ("set", "set", "set", "set", "create", "stale", "delete", "restore")

type Cell = tuple[str, str]
"""A scene, and a field of it or `deleted`."""


@dataclass
class Made:
    """A bundle as the model knows it: what each cell was before it and after it."""

    id: UUID
    before: dict[Cell, Any] = field(default_factory=dict[Cell, Any])
    after: dict[Cell, Any] = field(default_factory=dict[Cell, Any])
    born: set[str] = field(default_factory=set[str])
    reverses: UUID | None = None


@dataclass
class Model:
    """Scenes as cells, bundles as what they did to them, and nothing more."""

    cells: dict[Cell, Any] = field(default_factory=dict[Cell, Any])
    bundles: list[Made] = field(default_factory=list[Made])
    births: dict[str, dict[str, Any]] = field(default_factory=dict[str, dict[str, Any]])
    """What each scene began with."""

    def scenes(self) -> list[str]:
        return sorted({scene for scene, _ in self.cells})

    def is_undone(self, bundle_id: UUID) -> bool:
        return any(
            each.reverses == bundle_id and not self.is_undone(each.id) for each in self.bundles
        )

    def reversal_of(self, bundle_id: UUID) -> Made | None:
        counting = [
            each
            for each in self.bundles
            if each.reverses == bundle_id and not self.is_undone(each.id)
        ]
        return counting[-1] if counting else None

    def apply(self, made: Made, cell: Cell, value: Any) -> None:
        made.before.setdefault(cell, self.cells.get(cell))
        made.after[cell] = value
        self.cells[cell] = value

    def commit(self, operations: list[Json], bundle_id: UUID) -> bool:
        """Do all of them, or nothing; returns whether they could be done."""
        kept, made = dict(self.cells), Made(bundle_id)
        for each in operations:
            if not self._do(each, made):
                self.cells = kept
                return False
        self._note(made)
        return True

    def _do(self, operation: Json, made: Made) -> bool:
        scene = operation["aggregate"]["id"]
        lives = self.cells.get((scene, "deleted")) is False
        match operation["op"]:
            case "create":
                for name in ("title", "summary"):
                    self.cells[scene, name] = operation["fields"].get(name)
                made.born.add(scene)
                made.before[scene, "deleted"] = True
                made.after[scene, "deleted"] = False
                self.cells[scene, "deleted"] = False
                return True
            case "delete":
                if lives:
                    self.apply(made, (scene, "deleted"), True)
                return lives
            case "restore":
                if not lives:
                    self.apply(made, (scene, "deleted"), False)
                return True
            case _:
                cell = (scene, operation["path"])
                now, value = self.cells.get(cell), operation["value"]
                old = operation.get("oldValue", now)
                if not lives or now not in (old, value):
                    return False
                if now != value:
                    self.apply(made, cell, value)
                return True

    def undo(self, target: Made, bundle_id: UUID) -> bool:
        """Take *target* back, unless it is undone or somebody else's work is in the way."""
        if self.is_undone(target.id):
            return False
        wanted: dict[Cell, Any] = {}
        for scene in {scene for scene, _ in target.after}:
            if not self._take_back(target, scene, wanted):
                return False
        made = Made(bundle_id, reverses=target.id)
        for cell, value in wanted.items():
            self.apply(made, cell, value)
        self._note(made)
        return True

    def _take_back(self, target: Made, scene: str, wanted: dict[Cell, Any]) -> bool:
        cells = {cell[1]: cell for cell in target.after if cell[0] == scene}
        deleted = self.cells[scene, "deleted"]
        if "deleted" in cells:
            if target.before[scene, "deleted"]:
                if deleted:
                    return True
                if any(
                    self.cells[scene, name] != value
                    for name, value in self._left(target, scene).items()
                ):
                    return False
                wanted[scene, "deleted"] = True
                return True
            wanted |= {(scene, "deleted"): False} if deleted else {}
        elif deleted:
            return False
        for name, cell in cells.items():
            now = self.cells[cell]
            if name == "deleted" or now == target.before[cell]:
                continue
            if now != target.after[cell]:
                return False
            wanted[cell] = target.before[cell]
        return True

    def _left(self, target: Made, scene: str) -> dict[str, Any]:
        """What the bundle left in the fields that it can answer for."""
        left = {name: v for (s, name), v in target.after.items() if s == scene}
        left.pop("deleted")
        return left | {
            name: value
            for name, value in self.births.get(scene, {}).items()
            if scene in target.born and name not in left
        }

    def _note(self, made: Made) -> None:
        if made.after:
            self.bundles.append(made)


@st.composite
def operations(draw: st.DrawFn, scenes: list[str], model: Model, chapter: str) -> list[Json]:
    """A few operations, most of them about what is there, some from a stale view of it."""
    found: list[Json] = []
    for _ in range(draw(st.integers(1, 3))):
        kind = draw(st.sampled_from(KINDS))
        if len(scenes) < SCENES_MAX and (kind == "create" or not scenes):
            scene = str(new_id())
            title = draw(WORDS)
            found.append(create("scene", scene, chapter, title=title))
            model.births[scene] = {"title": title, "summary": None}
            scenes = [*scenes, scene]
            continue
        scene, name = draw(st.sampled_from(scenes)), draw(FIELDS)
        match kind:
            case "delete":
                found.append(delete("scene", scene))
            case "restore":
                found.append(restore("scene", scene))
            case "stale":
                found.append(put("scene", scene, name, draw(WORDS), oldValue=draw(WORDS)))
            case _:
                found.append(put("scene", scene, name, draw(WORDS)))
    return found


outcomes = Counter[tuple[str, bool]]()


@settings(
    max_examples=15,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(data=st.data())
async def test_bundles_do_what_a_simple_model_does(
    caller: Caller, pool: Pool, data: st.DataObject
) -> None:
    world = await World.begin(caller)
    bundling, chapter = Bundling(world), (await world.chapter())["id"]
    model = Model()
    for _ in range(STEPS):
        bundle_id = new_id()
        step = data.draw(st.sampled_from(["commit", "commit", "undo", "undo", "redo"]))
        if step == "commit" or not model.bundles:
            wanted = data.draw(operations(model.scenes(), model, chapter))
            expected = model.commit(wanted, bundle_id)
            happened = await _tried(bundling.commit(*wanted, command_id=bundle_id))
        else:
            target = data.draw(st.sampled_from(model.bundles))
            if step == "undo":
                expected = model.undo(target, bundle_id)
                happened = await _tried(bundling.undo(target.id, command_id=bundle_id))
            else:
                reversal = model.reversal_of(target.id)
                expected = reversal is not None and model.undo(reversal, bundle_id)
                happened = await _tried(bundling.redo(target.id, command_id=bundle_id))
        assert happened == expected, (step, bundle_id)
        outcomes[step, happened] += 1
    await _compare(model, bundling, chapter)
    await _replay(pool, world)


def test_the_histories_had_all_sorts_of_outcomes() -> None:
    """Runs after them; without refusals and reversals they would have shown nothing."""
    assert all(outcomes[step, done] >= 10 for step in ("commit", "undo") for done in (True, False))
    assert outcomes["redo", True] >= 3


async def _tried(asked: Any) -> bool:
    try:
        await asked
    except (errors.Conflict, errors.NotFound):
        return False
    return True


async def _compare(model: Model, bundling: Bundling, chapter: str) -> None:
    """Every scene, and whether each bundle counts as undone."""
    items = await bundling.world.items("scene", chapter, include_deleted=True)
    seen = {
        (each["id"], name): value
        for each in items
        for name, value in (
            ("title", each["title"]),
            ("summary", each["summary"]),
            ("deleted", each["deletedAt"] is not None),
        )
    }
    assert seen == model.cells
    for made in model.bundles:
        shown = (await bundling.read(made.id)).bundle
        assert (shown.undone_by is not None) == model.is_undone(made.id)
        assert shown.reverses == made.reverses


async def _replay(pool: Pool, world: World) -> None:
    """The chains hold, and the rows are what their events fold into."""
    rows = await pool.fetch(
        "SELECT * FROM events WHERE project_id = $1 AND aggregate_type = 'scene' ORDER BY version",
        world.project_id,
    )
    events = events_from_rows(rows)
    for scene_id in {event.aggregate_id for event in events}:
        own = [event for event in events if event.aggregate_id == scene_id]
        assert first_broken(own) is None
        row: Row | None = None
        for event in own:
            row = fold(AGGREGATES["scene"], row, event)
        stored = await pool.fetchrow("SELECT * FROM scenes WHERE id = $1", scene_id)
        assert stored and row and {name: stored[name] for name in row} == row
