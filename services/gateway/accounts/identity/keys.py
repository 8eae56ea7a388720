"""The keys that sign access tokens: a folder of Ed25519 private keys, one file each.

The newest signs, all verify. To rotate: `rotate_keys(folder)`, or
`python -m services.gateway.accounts.identity.keys FOLDER`; every gateway that shares the folder
picks the new key up by itself. A key signs only once it is KEY_REST_S old (unless it is alone), so
that every verifier knows it before the first token bears it. Delete a file when the last token it
signed has expired.
"""

import asyncio
import base64
import os
import sys
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import structlog
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from libs.contracts.ids import new_id
from libs.tasks import PeriodicTask

log = structlog.get_logger(__name__)

RELOAD_INTERVAL_S = 2.0
KEY_REST_S = 5 * RELOAD_INTERVAL_S
KEYS_MAX = 50


@dataclass(frozen=True, slots=True)
class Key:
    """One signing key; its id is a UUIDv7, so ids sort by age."""

    id: str
    private: Ed25519PrivateKey
    public: Ed25519PublicKey
    created: float

    def jwk(self) -> dict[str, Any]:
        """Return the public half as a JSON Web Key."""
        raw = self.public.public_bytes(Encoding.Raw, PublicFormat.Raw)
        x = base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
        return {
            "kty": "OKP",
            "crv": "Ed25519",
            "use": "sig",
            "alg": "EdDSA",
            "kid": self.id,
            "x": x,
        }


def rotate_keys(folder: Path) -> str:
    """Add a new key to *folder*, creating it when missing; returns the key's id."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder.chmod(0o700)
    name = str(new_id())
    pem = Ed25519PrivateKey.generate().private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
    )
    draft = folder / f".{name}.new"
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(pem)
        file.flush()
        os.fsync(file.fileno())
    draft.rename(folder / f"{name}.pem")
    return name


class KeyRing:
    """The keys of a folder, kept up to date while `task` runs."""

    def __init__(self, folder: Path) -> None:
        """Read the folder; an empty or missing one receives its first key.

        Raises:
            OSError: The folder cannot be read or made.
        """
        self._folder = folder
        self._keys: dict[str, Key] = {}
        self.task = PeriodicTask(
            "reload_keys",
            partial(asyncio.to_thread, self.reload),
            interval_s=RELOAD_INTERVAL_S,
        )
        self.reload()
        if not self._keys:
            rotate_keys(folder)
            self.reload()

    def reload(self) -> None:
        """Read new files and forget deleted ones; an unreadable file is reported and skipped."""
        if not self._folder.is_dir():
            return
        known = self._keys
        found: dict[str, Key] = {}
        for file in sorted(self._folder.glob("*.pem"))[-KEYS_MAX:]:
            if key := known.get(file.stem) or _read(file):
                found[key.id] = key
        # An emptied folder must not silence a running gateway.
        if found or not known:
            self._keys = found

    def signing(self) -> Key:
        """Return the newest key that every replica knows by now."""
        keys = sorted(self._keys.values(), key=lambda key: key.id, reverse=True)
        rested = time.time() - KEY_REST_S
        return next((key for key in keys if key.created <= rested), keys[-1])

    def find(self, key_id: str) -> Key | None:
        """Return the key called *key_id*, if it is ours."""
        return self._keys.get(key_id)

    def jwks(self) -> dict[str, Any]:
        """Return all public keys as a JSON Web Key Set."""
        return {"keys": [self._keys[name].jwk() for name in sorted(self._keys)]}


def _read(file: Path) -> Key | None:
    try:
        private = load_pem_private_key(file.read_bytes(), password=None)
        created = file.stat().st_mtime
    except (OSError, ValueError, TypeError, UnsupportedAlgorithm) as error:
        log.warning("key file is unreadable", file=file.name, reason=type(error).__name__)
        return None
    if not isinstance(private, Ed25519PrivateKey):
        log.warning("key file holds no Ed25519 key", file=file.name)
        return None
    return Key(file.stem, private, private.public_key(), created)


if __name__ == "__main__":
    sys.stdout.write(f"{rotate_keys(Path(sys.argv[1]))}\n")
