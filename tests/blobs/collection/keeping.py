"""Hands on stored bytes, for tests of how they are kept."""

import os
from pathlib import Path

from libs.contracts.blobs.operations import Inspect
from services.blobs.operating.handlers import Operations
from tests.blobs.collection.support import Desk, Vault

BIG = os.urandom(1 << 20) + b"Call me Ishmael. " * 150_000
"""Several frames."""


def file_of(vault: Vault, folder: Path, key: str) -> Path:
    del vault
    found = [path for tier in ("hot", "cold") if (path := folder / tier / key).is_file()]
    assert len(found) == 1
    return found[0]


def operations(desk: Desk) -> Operations:
    return desk.vault.room.operations


async def key_of(desk: Desk, sha256: str) -> str:
    return (await desk.vault.store.blob(desk.project_id, sha256))["key"]


async def deeds(desk: Desk, sha256: str) -> list[str]:
    question = Inspect(project_id=desk.project_id, sha256=sha256)
    return [each.action for each in (await operations(desk).inspect(question, desk.actor)).deeds]


def flip(path: Path, at: int) -> None:
    with path.open("r+b") as file:
        file.seek(at)
        byte = file.read(1)[0]
        file.seek(at)
        file.write(bytes([byte ^ 1]))
