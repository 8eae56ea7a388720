"""Writing an export: a zip file that is never whole in memory."""

import hashlib
import json
import zipfile
from datetime import datetime
from typing import IO

from libs.contracts.workspaces import FORMAT

MANIFEST = "manifest.json"
STATE = "state.ndjson"

# The same for every file, so that the same project gives the same bytes.
_DATE = (1980, 1, 1, 0, 0, 0)


def text_name(number: int) -> str:
    """Return where the Yjs state of scene *number* is."""
    return f"scenes/{number:06}.yjs"


def markdown_name(number: int) -> str:
    """Return where the Markdown of scene *number* is, for people."""
    return f"scenes/{number:06}.md"


class _Outlet:
    """What the zip writer writes to: keeps what was not taken yet."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def write(self, data: bytes) -> int:
        self._parts.append(bytes(data))
        return len(data)

    def flush(self) -> None:
        """Nothing is held back."""

    def take(self) -> bytes:
        taken, self._parts = b"".join(self._parts), []
        return taken


class Packing:
    """One export as it grows; each method returns the bytes to send next."""

    def __init__(self) -> None:
        """Begin."""
        self._outlet = _Outlet()
        self._zip = zipfile.ZipFile(self._outlet, "w", zipfile.ZIP_DEFLATED)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType] (write and flush are all it needs)
        self._files: dict[str, dict[str, object]] = {}
        self._name, self._size, self._digest = "", 0, hashlib.sha256()
        self._file: IO[bytes]

    def begin(self, name: str) -> None:
        """Begin a file; nothing else can be written until it ends."""
        self._name, self._size, self._digest = name, 0, hashlib.sha256()
        self._file = self._zip.open(_info(name), "w")

    def write(self, part: bytes) -> bytes:
        """Write a part of the file."""
        self._file.write(part)
        self._digest.update(part)
        self._size += len(part)
        return self._outlet.take()

    def end(self) -> bytes:
        """End the file."""
        self._file.close()
        self._files[self._name] = {"bytes": self._size, "sha256": self._digest.hexdigest()}
        return self._outlet.take()

    def add(self, name: str, body: bytes) -> bytes:
        """Write a whole file."""
        self.begin(name)
        return self.write(body) + self.end()

    def finish(self, exported_at: datetime) -> bytes:
        """Write the manifest, which vouches for every file, and the end."""
        said = {
            "format": FORMAT,
            "exportedAt": exported_at.isoformat().replace("+00:00", "Z"),
            "files": self._files,
        }
        with self._zip.open(_info(MANIFEST), "w") as file:
            file.write(json.dumps(said, indent=1).encode())
        self._zip.close()
        return self._outlet.take()


def _info(name: str) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name, _DATE)
    info.compress_type = zipfile.ZIP_DEFLATED
    return info
