"""Times at the edge of the calendar, and times of nowhere, are never the server's fault."""

import json
from typing import Any

import httpx
import pytest

from tests.gateway.support import Manuscript, is_problem

EDGES = (
    "0001-01-01T00:00:00+14:00",
    "9999-12-31T23:59:59-14:00",
    "0001-01-01T00:00:00Z",
    "0001-01-01T00:00:00.000001-00:01",
    "9999-12-31T23:59:59.999999Z",
    "10000-01-01T00:00:00Z",
    "-0001-01-01T00:00:00Z",
)
NOWHERE = ("2026-01-01T00:00:00", "2026-01-01", "2026-01-01 00:00:00")


def times_of(document: dict[str, Any]) -> list[tuple[str, str]]:
    """The parameters of all GETs of a project that are times, as the document says."""
    return [
        (path, each["name"])
        for path, operations in document["paths"].items()
        if path.startswith("/api/projects/{id}/")
        for each in operations.get("get", {}).get("parameters", [])
        if "date-time" in json.dumps(each)
    ]


@pytest.mark.parametrize("moment", EDGES + NOWHERE)
async def test_every_parameter_that_is_a_time(
    http: httpx.AsyncClient, manuscript: Manuscript, moment: str
):
    """Whatever a client writes there is understood or refused."""
    found = times_of((await http.get("/api/openapi.json")).json())
    assert {name for _, name in found} >= {"since", "until", "from", "to"}
    for path, name in found:
        at = path.replace("{id}", manuscript.project["id"])
        answer = await manuscript.owner.get(at, params={name: moment})
        assert answer.status_code < 500, (path, name, answer.text)
        if moment in NOWHERE:
            assert is_problem(answer, 400, "VALIDATION_FAILED")
            assert f"query.{name}" in [one["field"] for one in answer.json()["errors"]]


@pytest.mark.parametrize("moment", EDGES + NOWHERE)
async def test_the_time_of_a_version(manuscript: Manuscript, moment: str):
    path = f"/api/scenes/{manuscript.scene['id']}/content"
    answer = await manuscript.owner.get(path, params={"at": moment})

    assert answer.status_code < 500, answer.text
    assert moment not in NOWHERE or is_problem(answer, 400, "VALIDATION_FAILED")
