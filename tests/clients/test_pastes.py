"""Large contents put by the API while somebody types in the same scene."""

from tests.clients.conftest import Friends
from tests.clients.scenarios import Scenario

PASTE_BYTES = 1_000_000
PASTES = 4


async def test_a_typist_beside_large_pastes_loses_nothing(play: Scenario, friends: Friends):
    """Each paste is committed in pieces, and what is typed goes in between them.

    The mechanism is tested, the time is only told: the typist's edits got log numbers between
    those of one paste's pieces.
    """
    result = await play("pastes", bytes=PASTE_BYTES, pastes=PASTES)

    quiet, beside = result["quiet"], result["beside"]
    print(
        f"\npastes: typing p95 {quiet['p95']:.1f} ms alone, {beside['p95']:.1f} ms beside"
        f" {PASTES} PUTs of {PASTE_BYTES / 1e6:g} MB ({beside['p95'] / quiet['p95']:.1f} x),"
        f" worst {quiet['max']:.1f} and {beside['max']:.1f} ms;"
        f" a PUT took {[round(ms) for ms in result['putMs']]} ms"
    )
    assert result["pieces"] > PASTES
    assert result["between"] > 0
    assert result["closes"] == []
    text = await friends.ada.text(friends.scene)
    assert text == result["text"]
    assert text.count("·") == result["typed"]
    assert f"paste {PASTES - 1} " in text
    assert "paste 0 " not in text
