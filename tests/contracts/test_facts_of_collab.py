"""What collab announces is what the catalogue says, and what was announced once stays readable."""

from collections.abc import AsyncIterator

import jsonschema_rs
import pytest

from libs.contracts.collab.facts import FACTS, ReviewAnnouncement
from services.events.catalogue.schemas import document
from services.events.catalogue.types import announced_types
from tests.contracts.discussion import discussed
from tests.contracts.normal import GOLDEN_OF_COLLAB, Json, first_of_each, golden, shape
from tests.support.stack import real_stack
from tools.stack import Stack

TYPES = {each.name: each for each in announced_types() if each.service == "collab"}
KEPT = golden(GOLDEN_OF_COLLAB)


@pytest.fixture(scope="module")
async def stack(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stack]:
    async with real_stack(tmp_path_factory.mktemp("discussion")) as running:
        yield running


def mistakes(message: Json) -> list[str]:
    schema = document(TYPES[message["event"]["eventType"]])
    validator = jsonschema_rs.Draft202012Validator(schema, validate_formats=True)
    return [str(each) for each in validator.iter_errors(message)]


def test_every_type_has_a_kept_message() -> None:
    """When this fails: let it happen in discussion.py, then python -m tests.contracts."""
    assert sorted(TYPES) == sorted(FACTS) == sorted(KEPT)


@pytest.mark.parametrize("name", KEPT)
def test_kept_messages_are_read_for_ever(name: str) -> None:
    """By their schema, by the envelope, and by the model of their data."""
    for message in KEPT[name]:
        assert mistakes(message) == []
        event = ReviewAnnouncement.model_validate(message).event
        assert event.event_type == name
        FACTS[name].data.model_validate(event.data)


async def test_what_is_announced_is_as_it_says(stack: Stack) -> None:
    """Everything happens, formats and all; when a shape is new: python -m tests.contracts."""
    messages = await discussed(stack)

    assert {each["event"]["eventType"] for each in messages} == FACTS.keys()
    for message in messages:
        assert mistakes(message) == []
    for name, message in first_of_each(messages).items():
        assert shape(message) in [shape(each) for each in KEPT[name]], name
