"""Reading an export that somebody sent: nothing in it is believed before it was looked at.

The caps come first: how long the table of contents is, how many files there are, how large they
say they are together. The reader of the standard library gives no more of a file than that.
"""

import hashlib
import os
import struct
import zipfile
import zlib
from collections.abc import Iterator
from typing import IO, Annotated

from pydantic import BaseModel, Field, StringConstraints, ValidationError

from libs import errors
from libs.contracts.blobs.transfers import MediaType
from libs.contracts.events.workspaces import AGGREGATES_MAX, FORMAT, PAGE_BYTES_MAX
from libs.contracts.values import Sha256, Size
from services.gateway.exchange.packing import MANIFEST, STATE, file_name

CONTENTS_BYTES_MAX = 32 << 20
"""Of a zip file's table of contents, which is read at once."""
FILES_MAX = 6 * AGGREGATES_MAX
"""In a zip file: texts, bytes, and what there is of the past."""
MANIFEST_BYTES_MAX = 64 << 20
UNPACKED_BYTES_MAX = 16 << 30
"""Of all files together, as they say themselves."""
INFLATION_MAX = 100
"""How many times larger all that is read may be than the file that was sent. The text of novels
shrinks to a tenth; a file that says a thousand times as much is made to keep us busy."""
INFLATED_BYTES_FREE = 64 << 20
"""The largest size that a file may inflate to."""
TEXT_UNPACKED_BYTES_MAX = 64 << 20
CHUNK_BYTES = 256 * 1024

_END = b"PK\x05\x06"
_END_64 = b"PK\x06\x06"
_TAIL_BYTES = 22 + 0xFFFF + 20 + 56
"""The end of a zip file is no further from its last byte than this."""
_IN_END_64 = 0xFFFFFFFF

_BROKEN = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    EOFError,
    NotImplementedError,
    OSError,
    RuntimeError,
    ValueError,
)
"""Errors of the standard library's reader for damaged files."""


class _Vouched(BaseModel):
    bytes: Annotated[int, Field(ge=0)]
    sha256: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]


class Packed(BaseModel):
    """The manifest's entry for an entity's bytes; `missing` says why they are not in the file."""

    bytes: Size
    media_type: Annotated[MediaType | None, Field(alias="mediaType")] = None
    missing: str | None = None


class _Manifest(BaseModel):
    format: str
    files: Annotated[dict[str, _Vouched], Field(max_length=FILES_MAX)]
    blobs: Annotated[dict[Sha256, Packed], Field(max_length=AGGREGATES_MAX)] = Field(
        default_factory=dict[str, Packed]
    )


class Unpacking:
    """One export, opened."""

    def __init__(self, file: IO[bytes]) -> None:
        """Look at a file's table of contents and its manifest.

        Raises:
            errors.PackageDamaged: It is not a whole export; `at` says where.
            errors.TooLarge: It, or something in it, is larger than it may be.
            errors.Unsupported: It is an export of another format.
        """
        sent = _require_short_contents(file)
        self._inflated_max = max(INFLATED_BYTES_FREE, INFLATION_MAX * sent)
        self._inflated = 0
        try:
            self._zip = zipfile.ZipFile(file)
        except _BROKEN:
            raise errors.PackageDamaged("This is not a zip file.", at="file") from None
        infos = self._zip.infolist()
        if len(infos) > FILES_MAX:
            raise errors.TooLarge(f"An export has {FILES_MAX} files at most.")
        if sum(info.file_size for info in infos) > UNPACKED_BYTES_MAX:
            raise errors.TooLarge(limitBytes=UNPACKED_BYTES_MAX, at="file")
        self._infos = {info.filename: info for info in infos}
        if len(self._infos) < len(infos):
            raise errors.PackageDamaged("Two files have the same name.", at="file")
        manifest = self._manifest()
        self._files = manifest.files
        self.blobs = {each: said for each, said in manifest.blobs.items() if not said.missing}
        self._require_bytes()

    @property
    def names(self) -> list[str]:
        """The files that the manifest vouches for."""
        return list(self._files)

    def has(self, name: str) -> bool:
        """Return whether the manifest vouches for a file."""
        return name in self._files

    def lines(self, name: str = STATE) -> Iterator[bytes]:
        """Yield the lines of a file, of the state if none is named, each with its end.

        Raises:
            errors.PackageDamaged: They are not what the manifest says.
            errors.TooLarge: One is longer than it may be.
        """
        rest = b""
        for chunk in self.chunks(name):
            *whole, rest = (rest + chunk).split(b"\n")
            for line in whole:
                yield line + b"\n"
            if len(rest) > PAGE_BYTES_MAX:
                raise errors.TooLarge(limitBytes=PAGE_BYTES_MAX, at=name)
        if rest:
            yield rest + b"\n"

    def text(self, name: str) -> bytes:
        """Return a file.

        Raises:
            errors.PackageDamaged: It is not what the manifest says.
            errors.TooLarge: It is larger than the text of a scene may be.
        """
        if self._files[name].bytes > TEXT_UNPACKED_BYTES_MAX:
            raise errors.TooLarge(limitBytes=TEXT_UNPACKED_BYTES_MAX, at=name)
        return b"".join(self.chunks(name))

    def chunks(self, name: str) -> Iterator[bytes]:
        """Yield a file bit by bit; that it was as the manifest says is known at its end.

        Raises:
            errors.PackageDamaged: It is missing, cannot be read, or is another one.
        """
        vouched, digest, size = self._files.get(name), hashlib.sha256(), 0
        if vouched is None:
            raise errors.PackageDamaged(f"{name} is missing in the manifest.", at=name)
        for chunk in self._read(name):
            digest.update(chunk)
            size += len(chunk)
            yield chunk
        if size != vouched.bytes or digest.hexdigest() != vouched.sha256:
            raise errors.PackageDamaged(f"{name} is not what the manifest says.", at=name)

    def _require_bytes(self) -> None:
        """Return when all bytes that are not missing are there, under their own names."""
        for sha256, packed in self.blobs.items():
            name = file_name(sha256)
            vouched = self._files.get(name)
            if vouched is None or (vouched.sha256, vouched.bytes) != (sha256, packed.bytes):
                raise errors.PackageDamaged(f"{name} is not what the manifest says.", at=name)

    def _read(self, name: str) -> Iterator[bytes]:
        info = self._infos.get(name)
        if info is None:
            raise errors.PackageDamaged(f"{name} is missing.", at=name)
        if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise errors.PackageDamaged(f"{name} is compressed in another way.", at=name)
        try:
            with self._zip.open(info) as file:
                while chunk := file.read(CHUNK_BYTES):
                    # Counts the bytes that are read, each time, not the declared size of the file.
                    self._inflated += len(chunk)
                    if self._inflated > self._inflated_max:
                        raise errors.TooLarge(limitBytes=self._inflated_max, at=name)
                    yield chunk
        except _BROKEN:
            raise errors.PackageDamaged(f"{name} cannot be read.", at=name) from None

    def _manifest(self) -> _Manifest:
        info = self._infos.get(MANIFEST)
        if info and info.file_size > MANIFEST_BYTES_MAX:
            raise errors.TooLarge(limitBytes=MANIFEST_BYTES_MAX, at=MANIFEST)
        raw = b"".join(self._read(MANIFEST))
        try:
            manifest = _Manifest.model_validate_json(raw)
        except ValidationError:
            raise errors.PackageDamaged("The manifest cannot be read.", at=MANIFEST) from None
        if manifest.format != FORMAT:
            raise errors.Unsupported(
                f"This is an export of another format; {FORMAT} is known here.",
                at=MANIFEST,
                known=[FORMAT],
            )
        return manifest


def _require_short_contents(file: IO[bytes]) -> int:
    """Return how long a zip file is, when its table of contents may be read.

    Raises:
        errors.PackageDamaged: There is none.
        errors.TooLarge: It says that it is longer than CONTENTS_BYTES_MAX.
    """
    length = file.seek(0, os.SEEK_END)
    file.seek(max(0, length - _TAIL_BYTES))
    tail = file.read()
    end = tail.rfind(_END)
    if end < 0 or len(tail) - end < 22:
        raise errors.PackageDamaged("This is not a zip file.", at="file")
    (size,) = struct.unpack_from("<I", tail, end + 12)
    if size == _IN_END_64:
        end = tail.rfind(_END_64, 0, end)
        if end < 0 or len(tail) - end < 56:
            raise errors.PackageDamaged("This is not a zip file.", at="file")
        (size,) = struct.unpack_from("<Q", tail, end + 40)
    if size > CONTENTS_BYTES_MAX:
        raise errors.TooLarge(limitBytes=CONTENTS_BYTES_MAX, at="file")
    return length
