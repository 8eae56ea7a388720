"""Writing an export: a zip file that is never whole in memory."""

import hashlib
import json
import zipfile
from datetime import datetime
from typing import IO

from libs.contracts.events.workspaces import FORMAT

MANIFEST = "manifest.json"
STATE = "state.ndjson"
EVENTS = "history/events.jsonl"

_LARGE_BYTES = 1 << 30
"""From here on a file in a zip may need longer numbers."""
# The same for every file, so that the same project gives the same bytes.
_DATE = (1980, 1, 1, 0, 0, 0)


def text_name(number: int) -> str:
    """Return where the Yjs state of scene *number* is."""
    return f"scenes/{number:06}.yjs"


def file_name(sha256: str) -> str:
    """Return where the bytes of a file are."""
    return f"files/{sha256}"


def history_name(number: int, rest: str) -> str:
    """Return where something of the past of scene *number* is."""
    return f"history/scenes/{number:06}{rest}"


def conversation_name(number: int) -> str:
    """Return where the comments and suggestions of scene *number* are."""
    return f"scenes/{number:06}.comments.ndjson"


def markdown_name(number: int) -> str:
    """Return where the Markdown of scene *number* is, for people."""
    return f"scenes/{number:06}.md"


class _Outlet:
    """The target of the zip writer: it keeps bytes until they are taken."""

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
        self._blobs: dict[str, dict[str, object]] = {}
        self._name, self._size, self._digest = "", 0, hashlib.sha256()
        self._file: IO[bytes]

    def begin(self, name: str, *, size: int | None = None, large: bool = False) -> None:
        """Begin a file; nothing else can be written until it ends.

        One whose *size* in bytes is known is somebody's file and stored as it is: what is large is
        compressed in its own way, mostly. What may become *large* is told so, for its numbers.
        """
        self._name, self._size, self._digest = name, 0, hashlib.sha256()
        info = _info(name)
        if size is not None:
            info.compress_type = zipfile.ZIP_STORED
            large = size >= _LARGE_BYTES
        self._file = self._zip.open(info, "w", force_zip64=large)

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

    def leave(self) -> bytes:
        """End a file that did not come whole: nothing vouches for what there is of it."""
        self._file.close()
        return self._outlet.take()

    def note_blob(
        self, sha256: str, size: int, *, media_type: str | None = None, missing: str | None = None
    ) -> None:
        """Note for the manifest what is known of an entity's bytes, or why they are *missing*."""
        said: dict[str, object] = {"bytes": size}
        if media_type:
            said["mediaType"] = media_type
        if missing:
            said["missing"] = missing
        self._blobs[sha256] = said

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
            "blobs": self._blobs,
        }
        with self._zip.open(_info(MANIFEST), "w") as file:
            file.write(json.dumps(said, indent=1).encode())
        self._zip.close()
        return self._outlet.take()


def _info(name: str) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name, _DATE)
    info.compress_type = zipfile.ZIP_DEFLATED
    return info
