"""The layout of stored bytes: frames, each plain or compressed as one zstd frame.

All frames of a blob but the last hold FRAME_BYTES of plain content, so the place of a byte is
known without reading what is before it.
"""

import hashlib
from dataclasses import dataclass

import zstandard

from libs.contracts.blobs.transfers import Codec

FRAME_BYTES = 1 << 20
"""Plain content of a frame."""
STORED_BYTES_MAX = FRAME_BYTES + FRAME_BYTES // 128 + 1024
"""Size of a stored frame: zstd enlarges noise."""
LEVEL = 3
COMPRESS_BYTES_MIN = 128
"""Less is stored as it is."""
COMPRESS_RATIO_MAX = 0.9
"""Compression must take a frame below this share of itself to be worth decompressing it."""


class Damaged(Exception):
    """A stored frame is damaged; `reason` is a reason of the quarantine."""

    def __init__(self, reason: str) -> None:
        """Keep the reason."""
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Frame:
    """The place of a frame in its object, in bytes, and the SHA-256 of its stored form."""

    start: int
    length: int
    digest: bytes


@dataclass(frozen=True, slots=True)
class Span:
    """The frames that hold a range, first to last, and the bytes to skip in the outer ones."""

    first: int
    last: int
    skip: int
    """Bytes before the range in the first frame."""
    length: int
    """Bytes of the range."""


def choose_codec(first: bytes) -> Codec:
    """Say how a blob is stored that begins with the frame *first*."""
    if len(first) < COMPRESS_BYTES_MIN:
        return Codec.IDENTITY
    small = len(zstandard.ZstdCompressor(level=LEVEL).compress(first))
    return Codec.ZSTD if small <= len(first) * COMPRESS_RATIO_MAX else Codec.IDENTITY


def encode(plain: bytes, codec: Codec) -> bytes:
    """Return a frame as it is stored. The size of its content is in a zstd frame's header."""
    if codec is Codec.IDENTITY:
        return plain
    return zstandard.ZstdCompressor(level=LEVEL).compress(plain)


def decode(stored: bytes, frame: Frame, codec: Codec, plain_length: int) -> bytes:
    """Return the plain bytes of a stored frame.

    The declared size is compared with the expected one first: nothing can grow beyond it.

    Raises:
        Damaged: The frame differs from its length, codec or digest.
    """
    if len(stored) != frame.length:
        raise Damaged("short")
    if hashlib.sha256(stored).digest() != frame.digest:
        raise Damaged("digest")
    if codec is Codec.ZSTD:
        try:
            if zstandard.frame_content_size(stored) != plain_length:
                raise Damaged("codec")
            stored = zstandard.ZstdDecompressor().decompress(stored, allow_extra_data=False)
        except zstandard.ZstdError as error:
            raise Damaged("codec") from error
    if len(stored) != plain_length:
        raise Damaged("codec")
    return stored


def plain_length(number: int, size: int) -> int:
    """Return how many plain bytes frame *number* of a blob of *size* bytes holds."""
    return min(FRAME_BYTES, size - number * FRAME_BYTES)


def span(start: int, length: int) -> Span:
    """Return which frames hold *length* bytes, at least one, from *start*."""
    last = (start + length - 1) // FRAME_BYTES
    return Span(start // FRAME_BYTES, last, start % FRAME_BYTES, length)
