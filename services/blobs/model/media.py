"""Types of content: what its first bytes say, and what a browser may be shown."""

import codecs
import re
from urllib.parse import quote

import puremagic

HEAD_BYTES = 4096
"""Looked at to tell the type."""
MAGIC_BYTES_MIN = 3
"""Shorter signatures are met by chance."""
OCTETS = "application/octet-stream"
_TYPE = re.compile(r"^[a-z0-9][a-z0-9!#$&^_.+-]{0,62}/[a-z0-9][a-z0-9!#$&^_.+-]{0,62}$")
_TEXT_APPLICATIONS = ("json", "xml", "yaml", "toml", "javascript", "sql", "x-tex", "rtf")
_HTML = rb"^[\s\xef\xbb\xbf]*<(!doctype\s+html|html|head|body|script|iframe)"
_ACTIVE = (
    (re.compile(_HTML, re.IGNORECASE), "text/html"),
    (re.compile(rb"<svg[\s>]", re.IGNORECASE), "image/svg+xml"),
)
"""Where something could run; these come before all else."""
INLINE = frozenset(
    {
        "application/pdf",
        "audio/flac",
        "audio/mpeg",
        "audio/ogg",
        "audio/wav",
        "image/avif",
        "image/gif",
        "image/jpeg",
        "image/png",
        "image/webp",
        "text/markdown",
        "text/plain",
        "video/mp4",
        "video/webm",
    }
)
"""What a browser may show itself; in all else something could run."""


def sniff(head: bytes, declared: str | None) -> str:
    """Return the type of content that begins with *head*.

    Its bytes decide; what was *declared* refines them (a zip may be a docx, text may be Markdown)
    and is believed when they say nothing.
    """
    head = head[:HEAD_BYTES]
    said = _normal(declared)
    for pattern, kind in _ACTIVE:
        if pattern.search(head):
            return kind
    known = _magic(head)
    if known:
        return said if said in known or _is_container(known[0], said) else known[0]
    if _is_text(head):
        return said if _says_text(said) else "text/plain"
    return OCTETS if _says_text(said) or _is_recognised(said) else said


def is_inline(media_type: str) -> bool:
    """Return whether a browser may show this itself."""
    return media_type in INLINE


def content_type(media_type: str) -> str:
    """Return the Content-Type header: text is UTF-8."""
    return f"{media_type}; charset=utf-8" if media_type.startswith("text/") else media_type


def disposition(file_name: str | None, *, inline: bool) -> str:
    """Return a Content-Disposition that is safe for any name (RFC 6266)."""
    kind = "inline" if inline else "attachment"
    if not file_name:
        return kind
    plain = "".join(
        char if " " <= char <= "~" and char not in '"\\%;' else "_" for char in file_name
    )
    exact = quote(file_name, safe="", errors="replace")
    return f"{kind}; filename=\"{plain}\"; filename*=UTF-8''{exact}"


def _normal(declared: str | None) -> str:
    said = (declared or "").partition(";")[0].strip().lower()
    return said if _TYPE.match(said) else OCTETS


def _magic(head: bytes) -> list[str]:
    """Return the types that signatures in *head* stand for, the likeliest first."""
    if not head:
        return []
    try:
        found = puremagic.magic_string(head)
    except (puremagic.PureError, ValueError):
        return []
    # The library's types are all but there.
    signatures: list[tuple[bytes, str]] = [(each.byte_match, each.mime_type) for each in found]  # pyright: ignore[reportUnknownVariableType]
    return [kind for match, kind in signatures if kind and len(match or b"") >= MAGIC_BYTES_MIN]


def _is_container(known: str, said: str) -> bool:
    """A zip archive is many things; its first bytes do not tell which."""
    return "zip" in known or (
        "openxmlformats" in known and said.startswith("application/") and said != OCTETS
    )


def _is_text(head: bytes) -> bool:
    try:
        # A character may be cut at the end of the head.
        text = codecs.getincrementaldecoder("utf-8")().decode(head, len(head) < HEAD_BYTES)
    except UnicodeDecodeError:
        return False
    return not any(char < " " and char not in "\t\n\r\f\x1b" for char in text)


def _says_text(said: str) -> bool:
    return said.startswith("text/") or said.endswith(_TEXT_APPLICATIONS)


def _is_recognised(said: str) -> bool:
    """Types that browsers show are known by their bytes; without these it is not one."""
    return said in INLINE or said == "image/svg+xml"
