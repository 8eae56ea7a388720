"""Every event that was ever announced can be read for ever: kept messages against today's code."""

from collections.abc import AsyncIterator
from typing import Any

import jsonschema_rs
import pytest

from libs.contracts.events.event import Announcement
from services.events.bundles.names import describe_operation
from services.events.catalogue.files import SCHEMAS, objections, there, wanted
from services.events.catalogue.schemas import document
from services.events.catalogue.types import EventType, event_types
from services.events.model.aggregates import AGGREGATES
from services.events.model.log import CREATIONS, fold
from tests.contracts.normal import first_of_each, golden, shape
from tests.contracts.story import told, types_missing
from tests.support.stack import real_stack
from tools.stack import Stack

type Json = dict[str, Any]

TYPES = {each.name: each for each in event_types()}
KEPT = golden()


@pytest.fixture(scope="module")
async def stack(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stack]:
    async with real_stack(tmp_path_factory.mktemp("story"), replicas={"events": 1}) as running:
        yield running


@pytest.fixture(scope="module")
async def story(stack: Stack) -> list[Json]:
    """All that was announced of a project in which everything happens."""
    return await told(stack)


def mistakes(spec: EventType, message: Json) -> list[str]:
    validator = jsonschema_rs.Draft202012Validator(document(spec), validate_formats=True)
    return [str(each) for each in validator.iter_errors(message)]


def closed(schema: Any) -> Any:
    """The same schema, refusing members that it does not name."""
    match schema:
        case dict():
            found: Json = {str(key): closed(value) for key, value in schema.items()}  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
            named = "properties" in found and found.get("type") == "object"
            return found | ({"additionalProperties": False} if named else {})
        case list():
            return [closed(each) for each in schema]  # pyright: ignore[reportUnknownVariableType]
        case _:
            return schema


class TestKeptMessages:
    def test_every_type_has_one(self):
        """When this fails: make it happen in story.py, then python -m tests.contracts."""
        assert sorted(TYPES.keys() - KEPT.keys()) == []

    @pytest.mark.parametrize("name", KEPT)
    def test_it_is_what_the_schema_says(self, name: str):
        """And says nothing that the schema has forgotten: a member that went would be noticed."""
        spec = TYPES[name]
        strict = closed(document(spec))
        for message in KEPT[name]:
            assert mistakes(spec, message) == []
            assert jsonschema_rs.Draft202012Validator(strict).is_valid(message), message

    @pytest.mark.parametrize("name", KEPT)
    def test_it_can_be_read(self, name: str):
        """By subscribers, and by whoever makes the projections anew from the log."""
        kind, _, action = name.partition(".")
        spec = AGGREGATES[kind]
        for message in KEPT[name]:
            event = Announcement.model_validate(message).event
            birth = next(each for each in KEPT if each in {f"{kind}.{b}" for b in CREATIONS})
            row = fold(spec, None, Announcement.model_validate(KEPT[birth][0]).event)
            row = fold(spec, row, event)
            assert (row is None) == (action in ("removed", "purged"))


class TestAgainstARealStack:
    async def test_everything_happens_in_the_story(self, story: list[Json]):
        assert types_missing(story) == []

    async def test_everything_announced_is_in_the_catalogue_and_as_it_says(self, story: list[Json]):
        """Formats and all, before anything is normalised."""
        for message in story:
            assert mistakes(TYPES[message["event"]["eventType"]], message) == []

    async def test_it_looks_like_what_was_kept(self, story: list[Json]):
        """When this fails: python -m tests.contracts keeps another one beside the old one."""
        for name, message in first_of_each(story).items():
            assert shape(message) in [shape(each) for each in KEPT[name]], name


class TestDocuments:
    def test_they_are_current(self):
        """When this fails: python -m services.events.catalogue."""
        assert there() == wanted()

    def test_nothing_changed_that_subscribers_notice(self):
        """From what is in docs/schemas to what the code says now."""
        assert objections(there(), wanted()) == []

    def test_the_last_words_are_heard(self):
        """A field that went, an aggregate that went: the check that the command makes, on both."""
        files = wanted()
        name = f"{SCHEMAS}/scene.created.v1.json"
        without = files | {name: files[name].replace('"wordCount"', '"words"')}
        scarce = {path: text for path, text in files.items() if "/scene." not in path}

        assert any("wordCount is gone" in each for each in objections(files, without))
        assert all("may not vanish" in each for each in objections(files, scarce))
        assert len(objections(files, scarce)) > 5


@pytest.mark.parametrize("name", KEPT)
def test_every_event_reads_as_an_operation(name: str) -> None:
    """Whatever a bundle holds is told in words: the list shows none that cannot be read."""
    for message in KEPT[name]:
        event = Announcement.model_validate(message).event

        said = describe_operation(event, None)

        subject, _, words = said.what.partition(": ")
        assert subject and words
        assert said.version == event.version
