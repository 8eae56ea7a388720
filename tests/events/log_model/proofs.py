"""What must be so of a project after any history."""

from typing import Any
from uuid import UUID

from libs.contracts.actor import Actor
from libs.contracts.events import bundles as b
from libs.contracts.events import manuscript as m
from libs.contracts.pages import PAGE_ITEMS_MAX
from tests.events.log_model.desk import Desk, Question
from tests.events.log_model.model import Model
from tests.events.log_model.things import Fields


def prove_versions(desk: Desk, project_id: UUID, model: Model) -> None:
    """Everything is where the model has it, and nothing else is there."""
    assert desk.versions(project_id) == {each.id: each.version for each in model.all.values()}


def prove_all(desk: Desk, actor: Actor, model: Model) -> None:
    """The log is whole and was announced, and all that can be read is as the model has it."""
    prove_log(desk, actor.scope())
    prove_rows(desk, actor, model)
    prove_order(desk, actor, model)
    prove_bundles(desk, actor, model)
    answer = desk.rebuilt()
    assert answer["equal"], answer["shown"]
    assert answer["flaws"] == []


def prove_log(desk: Desk, project_id: UUID) -> None:
    """Versions count from 1, chains hold, and each event was announced once, in its order."""
    log, forgotten = desk.log(project_id), desk.forgotten(project_id)
    announced = desk.announced(project_id, desk.ever(project_id))

    assert desk.flaws(project_id) == []
    known = [each for each in announced if each[1] > forgotten.get(each[0], 0)]
    assert sorted(known) == sorted(log)
    for aggregate_id in {each for each, _, _ in announced}:
        versions = [version for each, version, _ in announced if each == aggregate_id]
        assert versions == [*range(1, len(versions) + 1)]


def prove_rows(desk: Desk, actor: Actor, model: Model) -> None:
    """Reading shows what is visible, and of the deleted as much when it is asked to."""
    for thing in model.all.values():
        row = desk.shown(actor, thing.kind, thing.id, deleted=True)
        seen = desk.shown(actor, thing.kind, thing.id, deleted=False)

        assert (row is None) == thing.gone
        assert (seen is not None) == model.is_visible(thing.id)
        if row is not None:
            assert row["version"] == thing.version
            assert (row.get("deletedAt") is not None) == thing.deleted
            assert {name: at(row, name) for name in thing.fields} == thing.fields


def prove_order(desk: Desk, actor: Actor, model: Model) -> None:
    """Children are listed in their order, at their indexes, the deleted ones where they were."""
    for parent in (model.book, *model.some("chapter")):
        kind: Any = "chapter" if parent == model.book else "scene"
        body = m.List(kind=kind, parent_id=UUID(parent), include_deleted=True, limit=PAGE_ITEMS_MAX)
        items = desk.ask(Question(m.LIST, body), actor).items
        siblings = model.siblings(parent)

        assert [each["id"] for each in items] == [each.id for each in siblings]
        assert [each["index"] for each in items] == [model.index_of(each) for each in siblings]


def prove_bundles(desk: Desk, actor: Actor, model: Model) -> None:
    """Each action is a bundle of as many events, and counts as undone or not."""
    for made in model.bundles:
        body = b.ReadBundle(bundle_id=UUID(made.id))
        shown = desk.ask(Question(b.READ_BUNDLE, body), actor)
        bundle: b.Bundle = shown.bundle

        assert bundle.operations == made.events == len(shown.items)
        assert (bundle.reverses and str(bundle.reverses)) == made.reverses
        reversal = model.reversal_of(made.id)
        assert (bundle.undone_by and str(bundle.undone_by)) == (reversal and reversal.id)


def at(row: Fields, path: str) -> Any:
    """The field of a resource at a path; None when its part is not there."""
    part, _, name = path.partition(".")
    if not name:
        return row[part]
    inner: Fields = row[part] or {}
    return inner.get(name)
