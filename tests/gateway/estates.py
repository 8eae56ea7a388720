"""One of everything that a person can have, by the place of its id in an address."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from uuid import uuid4

import httpx

from libs.contracts.ids import new_id
from tests.events.syncing import checkpoint
from tests.gateway.support import Json, Manuscript, Person, some_id
from tests.gateway.worlds import ids_of
from tests.support.waiting import until

JOB_S_MAX = 30.0
FILE_PATH = "project/letters.md"
TUS = {"Tus-Resumable": "1.0.0", "Upload-Length": "10"}


@dataclass(frozen=True)
class Ids:
    """Ids by where they stand.

    Args:
        first: The first id of an address, by the word before it.
        others: Those that follow, by their names.
        tasks: An entity that is a task.
    """

    first: Mapping[str, str]
    others: Mapping[str, str]
    task: str = field(default_factory=lambda: str(some_id()))

    def fill(self, path: str, others: "Ids | None" = None) -> str:
        """Return an address with one's own first id, and those that follow from *others*."""
        names = re.findall(r"{(\w+)}", path)
        filled = path.replace(f"{{{names[0]}}}", self.first[path.split("/")[2]], 1)
        for name in names[1:]:
            filled = filled.replace(f"{{{name}}}", (others or self).others[name])
        return filled


@dataclass(frozen=True)
class Estate:
    """What a person has; *mark* is in every name and text of it."""

    owner: Person
    manuscript: Manuscript
    mark: str
    ids: Ids


def ids_of_nothing(like: Ids) -> Ids:
    """Ids as they might be, in all the places of others."""
    hashes = {"sha256": sha256(uuid4().bytes).hexdigest()}
    first = {word: str(new_id()) for word in like.first}
    return Ids(first, {name: str(new_id()) for name in like.others} | hashes)


async def begin(http: httpx.AsyncClient, name: str) -> Estate:
    """Let somebody have one of everything."""
    owner, mark = await Person.register(http, name), f"secret{uuid4().hex}"
    manuscript = await Manuscript.begin(owner)
    project = f"/api/projects/{manuscript.project['id']}"
    first = await ids_of(manuscript)
    first["scripts"] = first["books"]
    others = await _bytes(owner, project, f"/api/entities/{first['entities']}", mark)
    others |= await _past(owner, f"/api/scenes/{first['scenes']}", mark)
    others |= await _pushed(owner, project, first, mark)
    first |= await reviewed(owner, f"/api/scenes/{first['scenes']}", mark)
    first["refactors"] = await refactored(owner, project, mark)
    first["ai"] = await ran(owner, project)
    others |= {"emoji": "heart"}
    task = await owner.made(f"{project}/entities", {"type": "task", "name": mark})
    team = (await owner.made("/api/teams", {"name": mark}))["id"]
    granted = await owner.ask("PUT", f"{project}/teams/{team}", json={"role": "READER"})
    assert granted.status_code == 200, granted.text
    token = await owner.made("/api/tokens", {"name": mark, "scopes": ["read"]})
    await _until_counted(owner, first["scenes"])
    first |= {"teams": team, "tokens": token["id"]} | await _jobs(owner, project, mark)
    others |= {"userId": owner.id, "teamId": team}
    return Estate(owner, manuscript, mark, Ids(first, others, task["id"]))


async def _until_counted(owner: Person, scene: str) -> None:
    """Wait for the scene's words to be counted, so that two looks at the estate see the same."""

    async def counted() -> bool:
        return (await owner.get(f"/api/scenes/{scene}")).json()["wordCount"] > 0

    await until(counted)


async def _bytes(owner: Person, project: str, entity: str, mark: str) -> dict[str, str]:
    stored = await owner.ask("PUT", f"{entity}/file", content=mark.encode())
    assert stored.status_code == 200, stored.text
    hexdigest = stored.json()["file"]["checksum"]
    where = f"{project}/path?path={FILE_PATH}"
    named = await owner.ask("PUT", where, json={"sha256": hexdigest})
    assert named.status_code in (200, 201), named.text
    begun = await owner.ask("POST", f"{project}/uploads", headers=TUS)
    assert begun.status_code == 201, begun.text
    return {"sha256": hexdigest, "uploadId": begun.headers["location"].rpartition("/")[2]}


async def _past(owner: Person, scene: str, mark: str) -> dict[str, str]:
    written = {"format": "text", "content": mark}
    assert (await owner.ask("PUT", f"{scene}/content", json=written)).status_code == 200
    snapshot = await owner.made(f"{scene}/snapshots", {"name": mark})
    branch = await owner.made(f"{scene}/branches", {"name": mark})
    return {"snapshotId": snapshot["id"], "branchId": branch["id"]}


async def reviewed(owner: Person, scene: str, mark: str) -> dict[str, str]:
    """A thread with its comment, a suggestion, a patch, and an anchor by itself."""
    anchor = {"quote": mark}
    pointed = await owner.made(f"{scene}/anchors", {"anchor": anchor})
    thread = await owner.made(f"{scene}/threads", {"anchor": anchor, "body": mark})
    suggested = {"anchor": anchor, "kind": "replace", "text": mark}
    suggestion = await owner.made(f"{scene}/suggestions", suggested)
    hunk = {"anchor": anchor, "kind": "insert", "text": mark}
    patch = await owner.made(f"{scene}/patches", {"baseVersion": 1, "hunks": [hunk], "title": mark})
    comment = thread["comments"][0]["id"]
    return {
        "threads": thread["id"],
        "comments": comment,
        "suggestions": suggestion["id"],
        "patches": patch["id"],
        "anchors": pointed["id"],
    }


async def ran(owner: Person, project: str) -> str:
    """A run that has ended."""
    run = (await owner.made(f"{project}/ai/runs", {"kind": "enrich"}))["id"]

    async def has_ended() -> bool:
        return (await owner.get(f"/api/ai/runs/{run}")).json()["endedAt"] is not None

    await until(has_ended)
    return run


async def refactored(owner: Person, project: str, mark: str) -> str:
    """A refactor whose hits are found."""
    asked = {"kind": "replace", "from": mark, "to": "nothing", "title": mark}
    made = await owner.made(f"{project}/refactors", asked)

    async def found() -> bool:
        return (await owner.get(f"/api/refactors/{made['id']}")).json()["state"] == "READY"

    await until(found)
    return made["id"]


async def _pushed(
    owner: Person, project: str, first: Mapping[str, str], mark: str
) -> dict[str, str]:
    """A job with a part, and a session of a peer with a conflict."""
    book = {"kind": "book", "id": first["books"]}
    renamed = {"op": "set", "aggregate": book, "path": "title", "value": mark}
    job, session = str(new_id()), new_id()
    part = {"part": 1, "operations": [renamed]}
    staged = await owner.post(f"{project}/jobs/{job}/operations", part)
    assert staged.status_code == 200, staged.text
    clash = checkpoint(session, 1, renamed | {"oldValue": "never"})
    pushed = (await owner.post(f"{project}/sync/push", clash)).json()
    return {
        "jobId": job,
        "sessionId": str(session),
        "conflictId": pushed["results"][0]["conflictId"],
    }


async def _jobs(owner: Person, project: str, mark: str) -> dict[str, str]:
    """A template with the job that made it, and a purge."""
    made = await owner.post(f"{project}/templates", {"name": mark})
    assert made.status_code == 202, made.text
    job: Json = made.json()

    async def ended() -> bool:
        nonlocal job
        job = (await owner.get(f"/api/jobs/{job['id']}")).json()
        return job["status"] == "done"

    await until(ended, JOB_S_MAX)
    tag = f"/api/tags/{(await owner.made(f'{project}/tags', {'name': mark}))['id']}"
    version = {"baseVersion": 1}
    assert (await owner.ask("DELETE", tag, params=version)).status_code == 204
    etag = (await owner.get(f"{tag}?includeDeleted=true")).headers["etag"]
    purge = await owner.post(f"{tag}/purge", headers={"If-Match": etag})
    assert purge.status_code == 202, purge.text

    async def purged() -> bool:
        told = (await owner.get(purge.headers["location"])).json()
        return told["state"] == "done"

    await until(purged, JOB_S_MAX)
    return {"jobs": job["id"], "templates": job["templateId"], "purges": purge.json()["id"]}
