"""The catalogue is complete: what can be recorded is promised, and nothing else can be recorded."""

from datetime import UTC, datetime

import jsonschema_rs
import pytest

from libs.contracts.events.event import Announcement
from libs.contracts.ids import new_id
from services.events.catalogue.schemas import document
from services.events.catalogue.types import event_types
from services.events.model.actions import actions
from services.events.model.aggregate import AggregateSpec
from services.events.model.aggregates import AGGREGATES, ENTITY
from services.events.model.log import CommandContext, PendingEvent, chain_events, fold
from tests.contracts.normal import golden

TYPES = event_types()


@pytest.mark.parametrize("spec", AGGREGATES.values(), ids=lambda spec: spec.kind)
def test_every_action_that_can_be_recorded_is_in_it(spec: AggregateSpec):
    """And the other way round: it promises nothing that nobody can say, but for what is marked."""
    own = [each for each in TYPES if each.aggregate == spec.kind]

    assert {each.action for each in own if not each.historic} == actions(spec)


@pytest.mark.parametrize("action", ["eaten", "file_path_changed", "preview_changed", "moved"])
def test_nothing_else_is_recorded(action: str):
    """All that is appended comes by here."""
    context = CommandContext(
        project_id=new_id(), user_id=new_id(), bundle_id=new_id(), correlation_id="0" * 32
    )
    pending_event = PendingEvent(ENTITY, new_id(), action, {"from": None, "to": "x"})

    with pytest.raises(ValueError, match=f"{action} does not happen to a entity"):
        chain_events([pending_event], {}, context, at=datetime.now(UTC), ids=[new_id()])


def test_what_is_not_said_any_more_is_marked_and_pointed_on():
    historic = {each.name: each for each in TYPES if each.historic}

    assert len(historic) == 6
    for spec in historic.values():
        assert document(spec)["deprecated"] is True
        assert "see entity.file_uploaded and entity.file_deleted" in spec.description


def test_the_oldest_events_of_deleted_files_are_understood():
    """They say in `from` alone what went."""
    spec = next(each for each in TYPES if each.name == "entity.file_deleted")
    (kept,) = golden()[spec.name]
    was = kept["event"]["data"]["from"]
    message = {**kept, "event": {**kept["event"], "data": {"from": was}}}
    (born,) = golden()["entity.created"][:1]
    row = fold(ENTITY, None, Announcement.model_validate(born).event)

    assert jsonschema_rs.Draft202012Validator(document(spec)).is_valid(message)
    row = fold(ENTITY, row and row | {"file_path": "x"}, Announcement.model_validate(message).event)
    assert row and row["file_path"] is None
