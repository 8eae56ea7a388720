"""What needs no database: frames, tickets, types."""

import hashlib
import os
from uuid import UUID, uuid4

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from libs import errors
from libs.contracts.blobs.transfers import Codec
from libs.contracts.ids import new_id
from services.blobs.model.frames import (
    FRAME_BYTES,
    STORED_BYTES_MAX,
    Damaged,
    Frame,
    choose_codec,
    decode,
    encode,
    plain_length,
    span,
)
from services.blobs.model.keys import KEY, new_key
from services.blobs.model.media import charset_of, content_type, disposition, sniff
from services.blobs.model.mpeg import is_mpeg_audio
from services.blobs.model.tickets import Grant, Key, Op, key_of, sign, verify


def frame_of(stored: bytes) -> Frame:
    return Frame(0, len(stored), hashlib.sha256(stored).digest())


@given(st.binary(max_size=5000), st.sampled_from(Codec))
def test_a_frame_comes_back(plain: bytes, codec: Codec):
    stored = encode(plain, codec)

    assert decode(stored, frame_of(stored), codec, len(plain)) == plain


def test_noise_is_stored_as_it_is_and_words_are_not():
    assert choose_codec(os.urandom(FRAME_BYTES)) is Codec.IDENTITY
    assert choose_codec(b"words, words, words. " * 1000) is Codec.ZSTD
    assert choose_codec(b"short") is Codec.IDENTITY
    assert len(encode(os.urandom(FRAME_BYTES), Codec.ZSTD)) <= STORED_BYTES_MAX


def test_a_frame_that_promises_too_much_is_not_decompressed():
    """A terabyte by its header: it would not even fit into memory."""
    bomb = b"\x28\xb5\x2f\xfd\xe0" + (1 << 40).to_bytes(8, "little") + b"\x01\x00\x00"
    assert zstandard.frame_content_size(bomb) == 1 << 40

    with pytest.raises(Damaged, match="codec"):
        decode(bomb, frame_of(bomb), Codec.ZSTD, 1000)


@given(st.integers(1, 5 * FRAME_BYTES), st.data())
def test_a_span_holds_its_range(size: int, data: st.DataObject):
    start = data.draw(st.integers(0, size - 1))
    length = data.draw(st.integers(1, size - start))

    about = span(start, length)

    assert about.first * FRAME_BYTES + about.skip == start
    end = about.last * FRAME_BYTES + plain_length(about.last, size)
    assert about.last * FRAME_BYTES < start + length <= end


@given(
    st.builds(
        Grant,
        op=st.sampled_from(Op),
        project_id=st.uuids(),
        user_id=st.uuids(),
        subject=st.sampled_from(["a" * 64, str(UUID(int=5))]),
        expires_at=st.integers(1, 1 << 40),
        file_name=st.none() | st.text(max_size=50).filter(lambda name: name.isprintable()),
        inline=st.booleans(),
    ),
    st.binary(min_size=32, max_size=32),
)
def test_a_ticket_says_what_was_granted(grant: Grant, secret: bytes):
    key = Key(7, secret)
    ticket = sign(grant, key)

    assert key_of(ticket) == 7
    assert verify(ticket, {7: key}, now=0) == grant
    assert set(ticket) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.")
    with pytest.raises(errors.Forbidden):
        verify(ticket, {7: key}, now=grant.expires_at)
    with pytest.raises(errors.Forbidden):
        verify(ticket, {7: Key(7, bytes(32))} if secret != bytes(32) else {}, now=0)


@given(st.text(max_size=60))
def test_whatever_looks_like_a_ticket_is_refused(text: str):
    with pytest.raises(errors.Forbidden):
        verify(text, {1: Key(1, b"x" * 32)}, now=0)


@given(st.binary(max_size=6000), st.none() | st.text(max_size=40))
def test_any_bytes_have_a_type(head: bytes, declared: str | None):
    """And no type can break out of a header."""
    found = sniff(head, declared)

    assert found.isascii()
    assert found.isprintable()
    assert found.count("/") == 1


@given(st.text(min_size=1, max_size=100))
def test_any_name_stays_in_its_header(name: str):
    said = disposition(name, inline=False)

    assert said.isascii()
    assert said.isprintable()
    assert said.count('"') == 2


def mp3(header: bytes, length: int, count: int) -> bytes:
    return (header + bytes(length - len(header))) * count


UTF16 = "\ufeffErstes Kapitel"
NOISE = bytes(range(1, 255)) * 4
OGG = b"OggS\0\2" + bytes(20) + b"\x01\x13OpusHead" + bytes(100)
WEBM = bytes.fromhex("1a45dfa39f4286810142f7810142f2810442f381084282847765626d") + bytes(50)
OLE = bytes.fromhex("d0cf11e0a1b11ae1") + bytes(500)
XML = b'<?xml version="1.0"?><a/>'


@pytest.mark.parametrize(
    ("head", "declared", "kept"),
    [
        # MP3 without a tag: 128 kbit/s at 44.1 kHz, 64 at 22.05, 40 at 11.025, Layer II.
        (mp3(b"\xff\xfb\x90\x64", 417, 8), "audio/mpeg", "audio/mpeg"),
        (mp3(b"\xff\xfb\x90\x64", 417, 2), None, "audio/mpeg"),
        (mp3(b"\xff\xfb\x90\x64", 417, 2), "audio/mp3", "audio/mpeg"),
        (mp3(b"\xff\xfb\x90\x64", 417, 1), "audio/mpeg", "audio/mpeg"),
        (mp3(b"\xff\xf3\x80\xc4", 208, 9), "audio/mpeg", "audio/mpeg"),
        (mp3(b"\xff\xe3\x50\xc4", 261, 9), "audio/mpeg", "audio/mpeg"),
        (mp3(b"\xff\xfd\x80\x04", 417, 9), "audio/mpeg", "audio/mpeg"),
        (bytes(500) + mp3(b"\xff\xfb\x90\x64", 417, 3), "audio/mpeg", "audio/mpeg"),
        (bytes(500) + mp3(b"\xff\xfb\x90\x64", 417, 3), None, "application/octet-stream"),
        (mp3(b"\xff\xfb\x90\x64", 400, 8), None, "application/octet-stream"),
        (NOISE, "audio/mpeg", "application/octet-stream"),
        (b"ID3\4\0\0\0\0\0\0" + bytes(10), "audio/mpeg", "audio/mpeg"),
        # Text in other encodings.
        (UTF16.encode("utf-16-le"), "text/plain", "text/plain"),
        (UTF16.encode("utf-16-be"), "text/csv", "text/csv"),
        (UTF16.encode("utf-16-le"), None, "text/plain"),
        (UTF16.encode("utf-32-le"), "text/plain", "text/plain"),
        ("Die K\u00fcste".encode("latin-1"), "text/plain", "text/plain"),
        ("Die K\u00fcste;1\n".encode("latin-1"), "text/csv", "text/csv"),
        ("\u7b2c\u4e00\u7ae0".encode("shift_jis"), "text/plain", "text/plain"),
        ("Die K\u00fcste".encode("latin-1"), None, "application/octet-stream"),
        ("Die K\u00fcste".encode("latin-1"), "image/png", "application/octet-stream"),
        (b"\xfc\0\1", "text/plain", "application/octet-stream"),
        (b"1\n00:01 --> 00:02\nHi\n", "application/x-subrip", "application/x-subrip"),
        (b"no image", "image/png", "text/plain"),
        (b"no pdf", "application/pdf", "text/plain"),
        (b"# text", "application/octet-stream", "text/plain"),
        # Formats that hold others; other names of the same one.
        (OGG, "audio/opus", "audio/opus"),
        (WEBM, "audio/webm", "audio/webm"),
        (WEBM, "image/png", "video/webm"),
        (OLE, "application/vnd.ms-excel", "application/vnd.ms-excel"),
        (XML, "application/x-final-draft", "application/x-final-draft"),
        (b"RIFF\x24\0\0\0WAVEfmt " + bytes(40), "audio/x-wav", "audio/wav"),
        # What could run is told by its bytes, whatever is declared.
        (b"<html><script>", "text/plain", "text/html"),
        (b"<svg onload=x>", "image/png", "image/svg+xml"),
        (NOISE, "image/png", "application/octet-stream"),
        (NOISE, "application/x-own", "application/x-own"),
    ],
)
def test_what_is_declared_is_kept_unless_bytes_speak_against_it(
    head: bytes, declared: str | None, kept: str
):
    assert sniff(head, declared) == kept


@pytest.mark.parametrize(
    ("body", "media_type", "header"),
    [
        ("Küste".encode(), "text/plain", "text/plain; charset=utf-8"),
        (b"", "text/plain", "text/plain; charset=utf-8"),
        (UTF16.encode("utf-16-be"), "text/csv", "text/csv; charset=utf-16"),
        (UTF16.encode("utf-32-le"), "text/plain", "text/plain; charset=utf-32"),
        ("Küste".encode("latin-1"), "text/plain", "text/plain"),
        ("Küste".encode(), "application/json", "application/json"),
    ],
)
def test_a_text_is_told_in_its_encoding(body: bytes, media_type: str, header: str):
    assert content_type(media_type, charset_of(body, media_type)) == header


@given(st.binary(max_size=200), st.booleans())
def test_frames_are_looked_for_in_anything(head: bytes, anywhere: bool):
    assert is_mpeg_audio(b"\xff" + head, anywhere=anywhere) in {True, False}


def test_keys_are_spread_and_recognised():
    project = new_id()
    keys = [new_key(project) for _ in range(2000)]

    assert all(KEY.match(key) and key.startswith(f"{project}/") for key in keys)
    assert len({key.split("/")[1] for key in keys}) > 200
    assert not KEY.match(f"{uuid4()}/AA/{'a' * 32}")
