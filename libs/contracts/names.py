"""The characters that a name may have: of a file, a path, a title, a person, a thing.

Joiners (U+200C, U+200D) belong to Persian, Hindi and to emoji of several people; soft hyphens are
part of copied titles; every telephone has characters that are newer than the server's tables of
Unicode. Two sorts are refused: characters that break a line, a terminal or a header (control
characters and line separators), and characters that deceive a reader (overrides, embeddings and
isolates of direction, with which `a<U+202E>gpj.exe` looks like `aexe.jpg`).
"""

import re
import unicodedata

_REFUSED = r"\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff"

PATTERN = r"^[^\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]*$"
"""The pattern of a name, for pydantic and JSON Schema. Both refuse half of a surrogate pair."""

REFUSED = re.compile(f"[{_REFUSED}]")
"""One character that may be in no name."""

DETAIL = "must not have control characters, line breaks or overrides of direction"


def is_allowed(text: str) -> bool:
    """Return whether *text* has nothing that a name may not have."""
    return REFUSED.search(text) is None


def normal(name: str) -> str:
    """Return the form in which names are compared: a letter and its accent are one character."""
    return unicodedata.normalize("NFC", name)


def cleaned(text: str, instead: str = "") -> str:
    """Return *text* with *instead* for each character that a name may not have."""
    return REFUSED.sub(instead, text)
