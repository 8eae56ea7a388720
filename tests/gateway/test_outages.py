"""What still works, and what is said, while a server is away."""

import pytest

from tests.gateway.support import Manuscript
from tests.support.waiting import until
from tools.stack import Stack


@pytest.mark.parametrize("server", ["postgres", "nats"])
async def test_an_outage_is_503_and_ends_by_itself(
    stack: Stack, manuscript: Manuscript, server: str
):
    """Never a 500, never a 403; nobody restarts a gateway."""
    mary, scene = manuscript.owner, f"/api/scenes/{manuscript.scene['id']}"
    stack.kill(server)
    await stack.wait_ended(server)
    try:
        answers = [await mary.get(path) for path in (scene, "/api/tokens", "/api/me", "/readyz")]
    finally:
        await stack.restart(server)

    assert {answer.status_code for answer in answers} <= {200, 503}, answers
    assert [answers[0].status_code, answers[3].status_code] == [503, 503]
    if server == "nats":
        assert answers[2].status_code == 200, "who one is, is not asked over the bus"

    async def back() -> bool:
        found = [await mary.get(path) for path in (scene, "/api/tokens", "/readyz")]
        assert all(each.status_code in (200, 503) for each in found)
        return all(each.status_code == 200 for each in found)

    await until(back, 20)
