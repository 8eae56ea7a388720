"""MPEG audio (MP3, MP2) without a tag in front: told by frames that follow each other.

Many dictation machines and converters write nothing but frames. One begins with eleven set bits,
which other content may have, too; that a second one of its sort begins where the first one ends is
no chance.
"""

_BITRATES = {
    # By version 1 or not, and layer: kbit/s.
    (True, 2): (32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (True, 3): (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (False, 2): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    (False, 3): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
_RATES = {3: (44_100, 48_000, 32_000), 2: (22_050, 24_000, 16_000), 0: (11_025, 12_000, 8_000)}
"""Samples a second by the two bits of the version."""
_LAYERS = {1: 3, 2: 2}
"""By their two bits. Layer I is left out, because it is not in use and UTF-16 begins like it."""
_SAME = 0xFFFE0C00
"""The bits that all frames of a stream have in common."""


def is_mpeg_audio(head: bytes, *, anywhere: bool = False) -> bool:
    """Return whether content that begins with *head* is frames of MPEG audio.

    Two in a row, or the only one that a very short file has. With *anywhere* they may follow
    something else, such as the silence or the tags of old players.
    """
    if not anywhere:
        return _is_stream(head, 0)
    return any(each == 0xFF and _is_stream(head, start) for start, each in enumerate(head))


def _is_stream(head: bytes, start: int) -> bool:
    length = _frame_length(head, start)
    if length is None:
        return False
    after = start + length
    if after == len(head):
        return True
    return _frame_length(head, after) is not None and not (
        (_header(head, start) ^ _header(head, after)) & _SAME
    )


def _header(head: bytes, start: int) -> int:
    return int.from_bytes(head[start : start + 4])


def _frame_length(head: bytes, start: int) -> int | None:
    """Return how many bytes the frame at *start* has; None when none begins there."""
    header = _header(head, start)
    version, layer = header >> 19 & 3, _LAYERS.get(header >> 17 & 3)
    bitrate, rate = header >> 12 & 15, header >> 10 & 3
    if start + 4 > len(head) or header >> 21 != 0x7FF or version not in _RATES or layer is None:
        return None
    if bitrate in {0, 15} or rate == 3:
        return None
    samples = 1152 if version == 3 or layer == 2 else 576
    bits = _BITRATES[version == 3, layer][bitrate - 1] * 1000
    return samples // 8 * bits // _RATES[version][rate] + (header >> 9 & 1)
