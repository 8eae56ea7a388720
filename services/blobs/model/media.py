"""Media types: detection by the first bytes, and the types that a browser may display."""

import codecs
import re
from urllib.parse import quote

import puremagic

from services.blobs.model.mpeg import is_mpeg_audio

HEAD_BYTES = 4096
"""Looked at to tell the type."""
MAGIC_BYTES_MIN = 3
"""Shorter signatures are met by chance."""
OCTETS = "application/octet-stream"
MPEG_AUDIO = "audio/mpeg"
_TYPE = re.compile(r"^[a-z0-9][a-z0-9!#$&^_.+-]{0,62}/[a-z0-9][a-z0-9!#$&^_.+-]{0,62}$")
_TEXT_APPLICATIONS = ("json", "xml", "yaml", "toml", "javascript", "sql", "x-tex", "rtf")
_HTML = rb"^[\s\xef\xbb\xbf]*<(!doctype\s+html|html|head|body|script|iframe)"
_ACTIVE = (
    (re.compile(_HTML, re.IGNORECASE), "text/html"),
    (re.compile(rb"<svg[\s>]", re.IGNORECASE), "image/svg+xml"),
)
"""Media types in which a script could run; these are detected first."""
_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
"""Byte order marks; the mark of UTF-32 begins like one of UTF-16."""
UNKNOWN = "unknown"
"""Instead of a charset, where none is sure."""
SINGLE_BYTE = "windows-1252"
"""The encoding that browsers assume for texts that are not UTF-8."""
_CONTROL = re.compile(rb"[\x00-\x08\x0b\x0e-\x1a\x1c-\x1f]")
_ALIASES = {
    "audio/mp3": MPEG_AUDIO,
    "audio/x-mp3": MPEG_AUDIO,
    "audio/x-mpeg": MPEG_AUDIO,
    "audio/vnd.wave": "audio/wav",
    "audio/wave": "audio/wav",
    "audio/x-wav": "audio/wav",
    "audio/x-flac": "audio/flac",
    "audio/x-midi": "audio/midi",
    "image/jpg": "image/jpeg",
    "text/rtf": "application/rtf",
}
"""Other names of types, as older systems declare them."""
_FAMILIES = (
    {"application/ogg", "audio/ogg", "audio/opus", "audio/speex", "audio/vorbis", "video/ogg"},
    {"audio/webm", "audio/x-matroska", "video/webm", "video/x-matroska"},
    {"audio/mp4", "audio/x-m4a", "video/mp4", "video/quicktime", "video/x-m4v"},
    {"image/heic", "image/heif"},
    {
        "application/msword",
        "application/vnd.ms-excel",
        "application/vnd.ms-outlook",
        "application/vnd.ms-powerpoint",
        "application/vnd.visio",
        "application/x-ole-storage",
    },
)
"""Types with the same signature, among which the declared type decides."""
_SOME_TEXT = ("application/", "message/", "model/")
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
"""Media types that a browser may display; in any other a script could run."""
_SIGNED = (INLINE | {"application/zip", "application/gzip", OCTETS}) - {
    "text/markdown",
    "text/plain",
}


def sniff(head: bytes, declared: str | None) -> str:
    """Return the type of content that begins with *head*.

    Its bytes decide; the *declared* type refines them (a zip may be a docx, text may be Markdown)
    and is believed when they do not contradict it.
    """
    head = head[:HEAD_BYTES]
    said = _normal(declared)
    for pattern, kind in _ACTIVE:
        if pattern.search(head):
            return kind
    if known := _magic(head):
        return said if said in known or _may_be(said, known) else known[0]
    if is_mpeg_audio(head, anywhere=said == MPEG_AUDIO):
        return MPEG_AUDIO
    if encoding := encoding_of(head):
        if _may_be_text(said):
            return said
        # Only the declared type shows that a single-byte encoding is text.
        return OCTETS if encoding == SINGLE_BYTE else "text/plain"
    return OCTETS if _says_text(said) or said in _SIGNED or said == "image/svg+xml" else said


def encoding_of(head: bytes) -> str | None:
    """Return in which encoding *head* may be text, None when it cannot be any.

    A byte order mark tells, else it is UTF-8 where that is possible, else SINGLE_BYTE: any bytes
    could be that, but for control characters that no text has.
    """
    for mark, encoding in _MARKS:
        if head.startswith(mark):
            return encoding if _decodes(head, encoding) else None
    if _decodes(head, "utf-8"):
        return "utf-8"
    return SINGLE_BYTE if not _CONTROL.search(head) else None


def is_inline(media_type: str) -> bool:
    """Return whether a browser may show this itself."""
    return media_type in INLINE


def charset_of(head: bytes, media_type: str) -> str | None:
    """Return the charset of a text that begins with *head*, None when it is UTF-8.

    UNKNOWN leaves the guess to the browser.
    """
    if not media_type.startswith("text/"):
        return None
    encoding = encoding_of(head[:HEAD_BYTES])
    return {"utf-8": None, SINGLE_BYTE: UNKNOWN, None: UNKNOWN}.get(encoding, encoding)


def content_type(media_type: str, charset: str | None) -> str:
    """Return the Content-Type header; *charset* is one of `charset_of`."""
    if not media_type.startswith("text/") or charset == UNKNOWN:
        return media_type
    return f"{media_type}; charset={charset or 'utf-8'}"


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
    said = _ALIASES.get(said, said)
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
    return [
        _ALIASES.get(kind, kind)
        for match, kind in signatures
        if kind and len(match or b"") >= MAGIC_BYTES_MIN
    ]


def _may_be(said: str, known: list[str]) -> bool:
    """Return whether content of the types *known* may be *said*: some formats hold many others."""
    found = known[0]
    if "zip" in found or ("openxmlformats" in found and said.startswith("application/")):
        return said != OCTETS
    if found in {"application/xml", "text/xml"}:
        return _may_be_text(said)
    return any(said in family and found in family for family in _FAMILIES)


def _decodes(head: bytes, encoding: str) -> bool:
    """Return whether *head* is text in *encoding*; a character may be cut at its end."""
    try:
        text = codecs.getincrementaldecoder(encoding)().decode(head, len(head) < HEAD_BYTES)
    except UnicodeDecodeError:
        return False
    return not any(char < " " and char not in "\t\n\r\f\x1b" for char in text)


def _says_text(said: str) -> bool:
    return said.startswith("text/") or said.endswith(_TEXT_APPLICATIONS)


def _may_be_text(said: str) -> bool:
    """Return whether content of a type may be text: subtitles, a mail, a script of some program."""
    return _says_text(said) or (said.startswith(_SOME_TEXT) and said not in _SIGNED)
