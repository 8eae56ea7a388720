"""What ai announces is what the catalogue says, and what was announced once stays readable."""

import jsonschema_rs
import pytest

from libs.contracts.ai.facts import FACTS, RunAnnouncement
from services.events.catalogue.schemas import document
from services.events.catalogue.types import announced_types
from tests.ai.told import everything_run
from tests.contracts.normal import GOLDEN_OF_AI, Json, first_of_each, golden, shape
from tools.stack import Stack

TYPES = {each.name: each for each in announced_types() if each.service == "ai"}
KEPT = golden(GOLDEN_OF_AI)


def mistakes(message: Json) -> list[str]:
    schema = document(TYPES[message["event"]["eventType"]])
    validator = jsonschema_rs.Draft202012Validator(schema, validate_formats=True)
    return [str(each) for each in validator.iter_errors(message)]


def test_every_type_has_a_kept_message() -> None:
    """When this fails: let it happen in told.py, then python -m tests.contracts."""
    assert sorted(TYPES) == sorted(FACTS) == sorted(KEPT)


@pytest.mark.parametrize("name", KEPT)
def test_kept_messages_are_read_for_ever(name: str) -> None:
    """By their schema, by the envelope, and by the model of their data."""
    for message in KEPT[name]:
        assert mistakes(message) == []
        event = RunAnnouncement.model_validate(message).event
        assert event.event_type == name
        FACTS[name].data.model_validate(event.data)


async def test_what_is_announced_is_as_it_says(stack: Stack) -> None:
    """In the order of what happened; when a shape is new: python -m tests.contracts."""
    messages = await everything_run(stack)

    assert {each["event"]["eventType"] for each in messages} == FACTS.keys()
    for message in messages:
        assert mistakes(message) == []
    for name, message in first_of_each(messages).items():
        assert shape(message) in [shape(each) for each in KEPT[name]], name
    versions: dict[str, list[int]] = {}
    for each in messages:
        event = each["event"]
        versions.setdefault(event["aggregateId"], []).append(event["version"])
    assert all(found == sorted(found) for found in versions.values())
