"""Offsets: characters, UTF-16 units and UTF-8 bytes of the same place."""

from hypothesis import given
from hypothesis import strategies as st

from services.collab import offsets


@given(st.text(max_size=30))
def test_every_character_has_one_place_in_each_count(text: str):
    """Equal to what encoding says."""
    for at in range(len(text) + 1):
        units = offsets.to_utf16(text, at)

        assert units == len(text[:at].encode("utf-16-le")) // 2
        assert offsets.utf8_length(text[:at]) == len(text[:at].encode())
    everywhere = range(len(text) + 1)
    assert list(offsets.to_utf8(text, everywhere)) == [len(text[:at].encode()) for at in everywhere]
