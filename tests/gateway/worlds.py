"""One of each kind of thing of a story's world, and every route that leads to them."""

from services.gateway.api.world import BELOW, WORLD_SHAPES
from tests.gateway.support import Json, Manuscript

type Asked = tuple[str, str, Json | None, str]
"""Method, path, a body that changes nothing, and the action that is needed."""


async def furnish(manuscript: Manuscript) -> dict[str, Json]:
    """Make one of each kind in the manuscript's project."""
    owner, project = manuscript.owner, f"/api/projects/{manuscript.project['id']}"
    scene = manuscript.scene["id"]
    made: dict[str, Json] = {}

    async def make(kind: str, plural: str, body: Json) -> str:
        made[kind] = await owner.made(f"{project}/{plural}", body)
        return made[kind]["id"]

    other = await owner.made(f"{project}/entities", {"type": "task", "name": "Research ice"})
    hero = await make("entity", "entities", {"type": "character", "name": "Victor"})
    tag = await make("tag", "tags", {"name": "dark"})
    ends = {"sourceEntityId": hero, "targetEntityId": other["id"]}
    await make("relation", "relations", {**ends, "type": "relates_to"})
    await make("tagging", "taggings", {"entityId": hero, "tagId": tag})
    await make("appearance", "appearances", {"entityId": hero, "sceneId": scene, "role": "POV"})
    shown = {"revealState": "REVEALED", "revealSceneId": scene}
    await make("canon_fact", "facts", {"entityId": hero, "fact": "He made it.", **shown})
    guide = await make("style_guide", "style-guides", {"name": "House", "guide": {"a": 1}})
    await make("context_rule", "context-rules", {"name": "All", "styleGuideId": guide})
    persona = await make("persona", "personas", {"name": "Captain"})
    await make("prompt_preset", "prompt-presets", {"name": "Storm", "personaId": persona})
    definition = {"kind": "text", "root": "content"}
    await make("editor_definition", "editors", {"name": "House", "definition": definition})
    return made


async def ids_of(manuscript: Manuscript) -> dict[str, str]:
    """The id of one thing for each first word of a path."""
    world = await furnish(manuscript)
    plural = {"entity": "entities", "canon_fact": "facts", "appearance": "appearances"}
    plural["editor_definition"] = "editors"
    ids = {plural.get(k, k.replace("_", "-") + "s"): v["id"] for k, v in world.items()}
    ids |= {
        f"{kind}s": getattr(manuscript, kind)["id"]
        for kind in ("project", "book", "chapter", "scene")
    }
    bundles = await manuscript.owner.get(f"/api/projects/{manuscript.project['id']}/bundles")
    return ids | {"bundles": bundles.json()["items"][0]["id"]}


def routes_to(manuscript: Manuscript, world: dict[str, Json]) -> list[Asked]:
    """Return every route of the world, as one asks for it."""
    project = f"/api/projects/{manuscript.project['id']}"
    found: list[Asked] = []
    for shape in WORLD_SHAPES:
        item = f"/api/{shape.plural}/{world[shape.kind]['id']}"
        found += [
            ("POST", f"{project}/{shape.plural}", {"nonsense": 1}, shape.action("create")),
            ("GET", f"{project}/{shape.plural}", None, shape.action("read")),
            ("GET", item, None, shape.action("read")),
            ("GET", f"{item}?includeDeleted=true", None, shape.action("restore")),
            ("DELETE", item, None, shape.action("delete")),
        ]
        if shape.change:
            found.append(("PATCH", item, {"nonsense": 1}, shape.action("update")))
        if shape.lasting:
            kept = f"{project}/{shape.plural}?includeDeleted=true"
            found += [
                ("POST", f"{item}/restore", None, shape.action("restore")),
                ("POST", f"{item}/purge", None, shape.action("purge")),
                ("GET", kept, None, shape.action("restore")),
            ]
    ids = {"project": manuscript.project["id"], "scene": manuscript.scene["id"]}
    ids["entity"] = world["entity"]["id"]
    for shape, parent, path in BELOW:
        action = "canon.read" if shape.kind == "canon_fact" else f"{shape.kind}.read"
        found.append(("GET", path.format(id=ids[parent]), None, action))
    return [
        *found,
        ("GET", f"/api/entities/{ids['entity']}/appearances", None, "appearance.read"),
        ("GET", f"/api/scenes/{ids['scene']}/knowledge", None, "canon.read"),
    ]
