"""What may stand in a name: of a file, a path, a title, a person, a thing.

Names are what people have. Joiners (U+200C, U+200D) belong to Persian, Hindi and to emoji of
several people; soft hyphens come along with copied titles; characters that are younger than our
tables of Unicode are on every telephone. Two sorts are refused: what breaks a line, a terminal or a
header (control characters and line separators), and what deceives a reader (the overrides,
embeddings and isolates of direction, with which `a<U+202E>gpj.exe` looks like `aexe.jpg`).
"""

import re
import unicodedata

_REFUSED = r"\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff"

PATTERN = r"^[^\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]*$"
"""What a name is, in the words that pydantic and JSON Schema understand. Neither lets half of a
surrogate pair through."""

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
