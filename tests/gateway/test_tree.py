"""The whole manuscript in one answer."""

from libs.contracts.events.tree import Tree
from tests.gateway.support import Json, Manuscript, Person, is_problem


async def tree_of(person: Person, project: Json) -> Json:
    answer = await person.get(f"/api/projects/{project['id']}/tree")
    assert answer.status_code == 200, answer.text
    Tree.model_validate_json(answer.content)
    return answer.json()


async def test_everything_stands_in_its_order(manuscript: Manuscript, mary: Person) -> None:
    """Moves show at once; nothing that is deleted shows, nor what is below it."""
    project, book, chapter = manuscript.project, manuscript.book, manuscript.chapter
    first = manuscript.scene
    second = await mary.made(f"/api/chapters/{chapter['id']}/scenes", {"title": 'Ice "Ä"\n'})
    gone = await mary.made(f"/api/books/{book['id']}/chapters", {"title": "Gone"})
    await mary.made(f"/api/chapters/{gone['id']}/scenes", {"title": "Below"})
    empty = await mary.made(f"/api/projects/{project['id']}/books", {"title": "Empty"})
    deleted = await mary.ask("DELETE", f"/api/chapters/{gone['id']}", headers={"If-Match": "*"})
    assert deleted.status_code == 204, deleted.text
    moved = await mary.post(f"/api/scenes/{second['id']}/move", {"index": 0})
    assert moved.status_code == 200, moved.text

    found = await tree_of(mary, project)

    def shown(scene: Json) -> Json:
        return {name: scene[name] for name in ("id", "version", "title", "status", "wordCount")}

    assert found == {
        "books": [
            {
                **{name: book[name] for name in ("id", "version", "title", "kind", "wordCount")},
                "chapters": [
                    {
                        **{name: chapter[name] for name in ("id", "version", "title", "wordCount")},
                        "scenes": [shown(moved.json()), shown(first)],
                    }
                ],
            },
            {
                **{name: empty[name] for name in ("id", "version", "title", "kind", "wordCount")},
                "chapters": [],
            },
        ]
    }


async def test_known_tree_is_not_sent_again(manuscript: Manuscript, mary: Person) -> None:
    """Its tag changes with anything in it, though the project's version does not."""
    path = f"/api/projects/{manuscript.project['id']}/tree"
    tag = (await mary.get(path)).headers["etag"]

    again = await mary.get(path, headers={"If-None-Match": tag})
    await mary.ask(
        "PATCH",
        f"/api/scenes/{manuscript.scene['id']}",
        json={"title": "Other"},
        headers={"If-Match": "*"},
    )
    changed = await mary.get(path, headers={"If-None-Match": tag})

    assert (again.status_code, again.content) == (304, b"")
    assert changed.status_code == 200
    assert changed.headers["etag"] != tag


async def test_it_is_for_members_only(manuscript: Manuscript, mary: Person, percy: Person) -> None:
    """A stranger learns nothing, and nothing of one project is in another's tree."""
    other = await percy.made("/api/projects", {"name": "Another"})
    await percy.made(f"/api/projects/{other['id']}/books", {"title": "Theirs"})

    refused = await percy.get(f"/api/projects/{manuscript.project['id']}/tree")
    mine = await tree_of(mary, manuscript.project)
    deleted = await mary.ask(
        "DELETE", f"/api/projects/{manuscript.project['id']}", headers={"If-Match": "*"}
    )
    after = await mary.get(f"/api/projects/{manuscript.project['id']}/tree")

    is_problem(refused, 404, "NOT_FOUND")
    assert [book["title"] for book in mine["books"]] == [manuscript.book["title"]]
    assert deleted.status_code == 204
    assert after.status_code in (404, 410)
