"""Offsets: characters, UTF-16 units and UTF-8 bytes of the same place."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.collab import offsets

TEXT = "aé中😀\u05e9👨‍👩‍👧"


@given(st.text(max_size=30))
def test_every_character_has_one_place_in_each_count(text: str):
    """Converted there and back, and equal to what encoding says."""
    for at in range(len(text) + 1):
        units = offsets.to_utf16(text, at)

        assert units == len(text[:at].encode("utf-16-le")) // 2
        assert offsets.from_utf16(text, units) == at
        assert offsets.utf16_to_utf8(text, units) == len(text[:at].encode())
    everywhere = range(len(text) + 1)
    assert list(offsets.to_utf8(text, everywhere)) == [len(text[:at].encode()) for at in everywhere]


@pytest.mark.parametrize("units", [-1, 4, 100])
def test_no_offset_outside_or_inside_a_character(units: int):
    """4 is between the halves of the astral character."""
    with pytest.raises(ValueError, match="offset"):
        offsets.from_utf16(TEXT, units)
