"""What /ws reads and writes, message by message."""

import json
from base64 import b64encode
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs import errors
from libs.contracts.collab.yprotocol import UPDATE, sync_message
from libs.contracts.ids import new_id
from services.gateway.live import messages
from services.gateway.live.messages import ClientMessage, InvalidMessage, PresenceUpdate
from services.gateway.live.presence_json import NOWHERE, awareness_state, user_presence

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
FIELDS = st.sampled_from(
    [
        *("type", "ref", "sceneId", "userId", "projectId", "user", "stateVector", "token", "e2ee"),
        *("cursor", "relative", "color", "ydocUpdateBase64", "capabilities", "schemaVersion"),
    ]
)
KINDS = st.sampled_from([*messages.MODELS, *messages.NOT_OFFERED, *messages.OVER_HTTP, "nonsense"])


def refusal(data: bytes) -> str:
    """Return the code of the refusal of a message."""
    with pytest.raises(InvalidMessage) as refused:
        messages.read_message(data)
    return refused.value.error.code


@given(st.binary(max_size=200) | JSON.map(lambda value: json.dumps(value).encode()))
def test_anything_is_read_or_refused(data: bytes):
    """No bytes raise anything else, which would end a connection that could go on."""
    try:
        assert isinstance(messages.read_message(data), ClientMessage)
    except InvalidMessage as refused:
        assert refused.error.code in messages_codes()


@given(KINDS, st.dictionaries(FIELDS, JSON, max_size=6))
def test_any_members_are_read_or_refused(kind: str, members: dict[str, Any]):
    """The same with the names that matter; a refusal can be written down as JSON."""
    try:
        messages.read_message(json.dumps(members | {"type": kind}).encode())
    except InvalidMessage as refused:
        told = messages.encode_error(refused.error, ref=refused.ref, scene_id=None, left=False)
        assert json.loads(told)["code"] in messages_codes()


def messages_codes() -> set[str]:
    """The codes that a message may be refused with."""
    return {"VALIDATION_FAILED", "TOO_LARGE", "UNSUPPORTED"}


@pytest.mark.parametrize("start", [b"[", b'{"a":', b'["', b"[1,", b"[{"])
def test_what_is_large_and_long_to_read_is_not_read(start: bytes):
    """A megabyte of brackets costs a look, not a parse."""
    times = messages.SMALL_BYTES_MAX // len(start) + 1

    assert refusal(start * times) == "TOO_LARGE"


def test_a_large_update_is_read():
    """A message may be large when nearly all of it is one string."""
    text = b64encode(bytes(1 << 20)).decode()
    said = {"type": "editor.update", "sceneId": str(new_id()), "ydocUpdateBase64": text}

    message = messages.read_message(json.dumps(said).encode())

    assert isinstance(message, messages.EditorUpdate)
    assert messages.decode_base64(message.ydoc_update_base64, "x", bytes_max=1 << 20) == bytes(
        1 << 20
    )


def test_size_is_looked_at_before_decoding():
    """What is too long is refused as that, whatever it holds."""
    with pytest.raises(errors.TooLarge):
        messages.decode_base64("?" * 101, "x", bytes_max=74)
    with pytest.raises(errors.Invalid):
        messages.decode_base64("?" * 100, "x", bytes_max=74)


@pytest.mark.parametrize("text", ["A", "AA", "AA=", "AAA", "A-_A", "AA==A", "A A=", "AA==\n", "é"])
def test_base64_is_strict(text: str):
    """What decoders disagree about is refused."""
    with pytest.raises(errors.Invalid):
        messages.decode_base64(text, "x", bytes_max=100)


def test_events_are_the_sources():
    """A committed edit and the answer to a join, with the field names of the source."""
    scene = new_id()

    edit = json.loads(messages.encode_editor_update(scene, sync_message(UPDATE, bytes(300))))
    sync = json.loads(messages.encode_doc_sync(scene, b"AAA=", isIncremental=True, seq=7))

    assert edit == {
        "type": "editor.update",
        "sceneId": str(scene),
        "ydocUpdateBase64": b64encode(bytes(300)).decode(),
    }
    assert sync == {
        "type": "doc.sync",
        "sceneId": str(scene),
        "isIncremental": True,
        "seq": 7,
        "update": "AAA=",
    }


def presence(**said: Any) -> PresenceUpdate:
    """What a client says about itself."""
    return PresenceUpdate.model_validate(said)


def test_what_is_not_said_stays():
    """A colour until another is named, a cursor until it moves; its positions go with it."""
    positions = {"anchor": {"tname": "content"}, "head": {"tname": "content"}}
    first = presence(cursor={"from": 1, "to": 2}, relative=positions, color="#fff")

    moved = presence(cursor={"from": 3, "to": 3}).merged_over(first)
    recoloured = presence(color="#000").merged_over(moved)
    hidden = presence(cursor=None).merged_over(recoloured)

    assert (moved.color, moved.relative) == ("#fff", None)
    assert (recoloured.color, recoloured.cursor) == ("#000", moved.cursor)
    assert (hidden.color, hidden.cursor) == ("#000", None)


def test_cursors_cross_over():
    """From /ws to awareness and back: numbers stay numbers, positions stay positions."""
    positions = {"anchor": {"tname": "content"}, "head": {"tname": "content"}}
    both = awareness_state(presence(cursor={"from": 1, "to": 2}, relative=positions, color="#fff"))
    numbers = awareness_state(presence(cursor={"from": 1, "to": 2}))
    nothing = awareness_state(presence())

    assert both == {"user": {"color": "#fff"}, "cursor": {"from": 1, "to": 2} | positions}
    assert numbers["cursor"] == {"from": 1, "to": 2, "anchor": NOWHERE, "head": NOWHERE}
    assert nothing["cursor"] is None
    back = [user_presence(7, json.dumps(state).encode()) for state in (both, numbers, nothing)]
    cursor = {"from": 1, "to": 2}
    assert [(each["cursor"], each["relative"]) for each in back] == [
        (cursor, positions),
        (cursor, None),
        (None, None),
    ]


@given(st.dictionaries(st.sampled_from(["user", "cursor", "x"]), JSON, max_size=3))
def test_any_awareness_can_be_shown(members: dict[str, Any]):
    """Editors put into awareness what they like."""
    shown = user_presence(7, json.dumps(members).encode())

    assert shown.keys() == {"userId", "name", "color", "cursor", "relative", "clientId"}
    assert messages.encode_event("presence.update", **shown)
