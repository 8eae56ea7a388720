"""The real stack, two friends with a scene, and Node.js to play them."""

from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest

from tests.clients.scenarios import Scenario, require_node
from tests.support.people import People, Person
from tests.support.stack import real_stack
from tools.stack import Stack

REPLICAS = {"events": 1, "collab": 2, "blobs": 1, "gateway": 1}


@pytest.fixture(scope="package")
async def stack(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stack]:
    """Shared by all scenarios: each has a project of its own. Real editors meet two collabs."""
    require_node()
    folder = tmp_path_factory.mktemp("clients")
    async with real_stack(folder, replicas=REPLICAS) as running:
        yield running


@pytest.fixture(scope="package")
async def people(stack: Stack) -> AsyncIterator[People]:
    """Where people register."""
    async with People(stack.url) as joined:
        yield joined


@dataclass(frozen=True, slots=True)
class Friends:
    """Ada owns the project with the scene; Ben is a WRITER there."""

    ada: Person
    ben: Person
    project: str
    scene: str


@pytest.fixture
async def friends(people: People) -> Friends:
    """Two new people and an empty scene that both may write."""
    ada, ben = await people.join("Ada"), await people.join("Ben")
    project = await ada.project()
    scene = await ada.scene(project)
    await ada.let_in(project, ben, "WRITER")
    return Friends(ada, ben, project, scene)


@pytest.fixture
def play(stack: Stack, friends: Friends) -> Scenario:
    """Play a scenario in the friends' scene."""
    return Scenario(
        {
            "url": stack.url,
            "project": friends.project,
            "scene": friends.scene,
            "people": {
                "ada": shown(friends.ada),
                "ben": shown(friends.ben),
            },
        }
    )


def shown(person: Person) -> dict[str, str]:
    """A person as scenarios are told of them."""
    return {"id": person.id, "name": person.name, "token": person.token}
