"""Slugs: unique among all projects, made from the name when none is given."""

import asyncio

import pytest

from libs import errors
from libs.contracts.actor import Actor
from libs.contracts.events.resources import ProjectCreate
from libs.contracts.ids import new_id
from services.events.model.aggregates.project import slugs
from tests.events.support import World


@pytest.mark.parametrize(
    ("name", "slug"),
    [
        ("Moby Dick", "moby-dick"),
        ("  Déjà  vu! ", "deja-vu"),
        ("戦争と平和", "project"),
        ("---", "project"),
        ("x" * 200, "x" * 64),
        ("a" * 63 + " b", "a" * 63),
    ],
)
def test_slug_of_a_name(name: str, slug: str) -> None:
    wishes = list(slugs(name, new_id()))

    assert wishes[0] == slug
    for wish in wishes:
        assert ProjectCreate(name="x", slug=wish).slug == wish


def outside(world: World) -> World:
    return World(world.caller, Actor(user_id=world.actor.user_id))


async def test_generated_slug_gets_a_suffix(world: World) -> None:
    name = f"Tale {new_id().hex}"
    first = await outside(world).create("project", None, name=name)
    second = await outside(world).create("project", None, name=name)

    assert second["slug"] == f"{first['slug']}-2"


async def test_many_of_one_name_at_once(world: World) -> None:
    """More than there are pretty suffixes."""
    name = f"Rush {new_id().hex}"

    made = await asyncio.gather(
        *(outside(world).create("project", None, name=name) for _ in range(12))
    )

    assert len({each["slug"] for each in made}) == 12


async def test_explicit_slug_is_taken_or_not(world: World) -> None:
    slug = f"s-{new_id().hex}"
    first = await outside(world).create("project", None, name="A", slug=slug)

    with pytest.raises(errors.SlugTaken):
        await outside(world).create("project", None, name="B", slug=slug)
    with pytest.raises(errors.SlugTaken):
        await world.change("project", world.project_id, slug=slug)

    mine = World(world.caller, Actor(user_id=world.actor.user_id, project_id=first["id"]))
    await mine.remove("project", first["id"])
    with pytest.raises(errors.SlugTaken):
        await outside(world).create("project", None, name="C", slug=slug)


async def test_upper_case_is_no_slug(world: World) -> None:
    with pytest.raises(errors.Invalid):
        await outside(world).create("project", None, name="A", slug="Upper")
