"""How much a project may have, and one blob."""

import asyncio
import os

import pytest

from libs import errors
from libs.contracts.blobs.transfers import BlobState
from libs.contracts.values import BLOB_BYTES_MAX
from libs.postgres import Pool
from tests.blobs.support import Desk, sha256


async def test_a_quota_holds_against_all_at_once(desk: Desk):
    """Declared too large it is refused at once; undeclared, by the commit, whoever races."""
    await desk.set_quota(2500)
    with pytest.raises(errors.QuotaExceeded) as refused:
        await desk.begin(size=2501)
    assert refused.value.data == {"quotaBytes": 2500, "neededBytes": 2501}
    begun = [await desk.begin() for _ in range(8)]

    answers = await asyncio.gather(*(desk.send(each.ticket, os.urandom(1000)) for each in begun))

    codes = sorted(each.status_code for each in answers)
    assert codes == [200, 200, *[507] * 6]
    assert (await desk.usage()).bytes_ == 2000
    refusal = next(each for each in answers if each.status_code == 507)
    assert refusal.json()["code"] == "QUOTA_EXCEEDED"


async def test_a_full_project_may_send_what_it_has(desk: Desk, owner: Pool):
    """Known bytes cost nothing, so a quota keeps nobody from telling, rescuing or mending them."""
    data = os.urandom(3000)
    known = {"size": len(data), "sha256": sha256(data)}
    await desk.upload(data)
    await desk.set_quota(len(data))
    assert (await desk.begin(**known)).upload.deduplicated
    blob = await desk.upload(data, size=len(data))
    assert blob.sha256 == known["sha256"], "undeclared, the commit finds out"
    await owner.execute(
        "UPDATE blobs SET state = 'condemned', condemned_at = now() WHERE project_id = $1",
        desk.project_id,
    )
    rescued = (await desk.begin(**known)).upload
    assert rescued.blob
    assert rescued.blob.state is BlobState.LIVE
    for resumable in (False, True):
        await owner.execute(
            "UPDATE blobs SET state = 'quarantined' WHERE project_id = $1", desk.project_id
        )
        begun = await desk.begin(**known, resumable=resumable)
        assert begun.ticket
        if resumable:
            answer = await desk.patch(begun.ticket, 0, data)
        else:
            answer = await desk.send(begun.ticket, data)
        assert answer.status_code == 200, answer.text
        assert (await desk.stat(blob.sha256)).state is BlobState.LIVE

    for new in ({"size": 1, "sha256": sha256(b"x")}, {"size": len(data) + 1}, {"resumable": True}):
        with pytest.raises(errors.QuotaExceeded):
            await desk.begin(**{"size": 1, **new})
    begun = await desk.begin(size=1)
    assert (await desk.send(begun.ticket, b"x")).status_code == 507
    assert (await desk.usage()).bytes_ == len(data)


async def test_pieces_count_before_they_are_a_blob(desk: Desk):
    """Nobody fills the disk with uploads that never end."""
    await desk.set_quota(1500)
    first, second = [await desk.begin(resumable=True) for _ in range(2)]
    assert first.ticket
    assert second.ticket
    assert (await desk.patch(first.ticket, 0, b"x" * 1000)).status_code == 200

    answer = await desk.patch(second.ticket, 0, b"x" * 1000)

    assert answer.status_code == 507


async def test_more_than_a_blob_may_have_cannot_be_declared(desk: Desk):
    with pytest.raises(ValueError, match="less than or equal"):
        await desk.begin(size=BLOB_BYTES_MAX + 1)
