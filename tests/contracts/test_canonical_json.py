"""The checksum of a checkpoint: the server and the function of docs/sync.md agree (RFC 8785).

`canonical_json.json` holds the vectors that both are held to.
"""

import hashlib
import json
import random
import struct
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from libs.contracts.events.sync import Push
from libs.contracts.ids import new_id
from services.events.model.log import canonical as earlier
from services.events.sync.checksums import checksums_of
from tests.clients.scenarios import require_node

HERE = Path(__file__).resolve().parent
DOCUMENT = HERE.parent.parent / "docs" / "sync.md"
VECTORS: list[dict[str, str]] = json.loads((HERE / "canonical_json.json").read_text())
NUMBERS = 20_000


def sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def as_received(text: str) -> Any:
    """A value as a service has it: read at the gateway, written to the bus, and read again."""
    body = (
        f'{{"sessionId":"{new_id()}","checkpoint":1,"checksum":"{"0" * 64}","may":[],'
        f'"operations":[{{"value":{text}}}]}}'
    )
    sent = Push.model_validate_json(body)
    return Push.model_validate_json(sent.to_wire()).operations[0]["value"]


def in_browser(texts: Sequence[str]) -> list[str]:
    """What the printed function makes of JSON."""
    require_node()
    command = ["node", str(HERE / "canonical_json.mjs"), str(DOCUMENT)]
    done = subprocess.run(
        command, input="\n".join(texts), capture_output=True, text=True, check=True
    )
    return [json.loads(line) for line in done.stdout.rstrip("\n").split("\n")]


def numbers() -> list[str]:
    """Doubles of all sizes, as they may be written in JSON."""
    draw = random.Random(8785)
    found: list[str] = []
    while len(found) < NUMBERS:
        (value,) = struct.unpack("<d", draw.randbytes(8))
        if value - value == 0:
            found.append(repr(value))
    return found + [str(draw.randint(-(10**30), 10**30)) for _ in range(1_000)]


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["json"][:30])
def test_the_server_keeps_to_the_vectors(vector: dict[str, str]) -> None:
    try:
        value = as_received(vector["json"])
    except ValueError:
        assert "\\u0000" in vector["json"]  # which no text of ours may hold
        return
    assert checksums_of([{"v": value}])[0] == sha256(f'[{{"v":{vector["canonical"]}}}]')


def test_the_printed_function_keeps_to_the_vectors() -> None:
    found = in_browser([vector["json"] for vector in VECTORS])

    assert found == [vector["canonical"] for vector in VECTORS]


def test_both_agree_on_every_number() -> None:
    texts = numbers()
    printed = in_browser(texts)

    for text, form in zip(texts, printed, strict=True):
        assert checksums_of([{"v": as_received(text)}])[0] == sha256(f'[{{"v":{form}}}]'), text


@pytest.mark.parametrize("value", [{"x": 1e21}, {"x": 10**30}, {"\ufb33": 1, "\U0001f602": 2}])
def test_a_peer_of_the_release_before_goes_on(value: dict[str, Any]) -> None:
    """It wrote whole numbers out and sorted by code point; neither is another operation."""
    operations = [{"value": value}]
    theirs = hashlib.sha256(earlier(operations)).hexdigest()

    assert theirs in checksums_of(operations)
    assert theirs != checksums_of(operations)[0]


def test_a_number_that_is_no_double_has_the_earlier_form_alone() -> None:
    assert len(checksums_of([{"x": 10**400}])) == 1
