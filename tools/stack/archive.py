"""An archive of back-ups: its stack, its segments of the log, and their removal.

    ARCHIVE/archive.json      the PostgreSQL system identifier of the one stack that it belongs to
    ARCHIVE/wal/NAME.gz       every finished WAL segment, put there by PostgreSQL itself
    ARCHIVE/base/TIME/        one back-up; TIME is when it was finished, in UTC
        postgres/             the whole cluster, checked file by file when it was made
        stack.json keys/      passwords and signing keys of that moment, needed to open it
        settings.env          the settings of the operator, if any
    ARCHIVE/secrets           leads to the newest back-up

Segments without `.gz`, and clusters directly in TIME with their secrets in ARCHIVE/secrets, are of
releases before this form; they are read as well.
"""

import json
import re
import shlex
import shutil
import struct
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from tools.stack.directory import unusable, write_private
from tools.stack.errors import ArchiveOfAnother, DirectoryUnusable

NAME = "%Y-%m-%dT%H-%M-%SZ"
OWNER = "archive.json"
SEGMENTS_PER_LOG = 256
"""Of 16 MiB each, as PostgreSQL counts them."""
UNREADABLE = 200
"""Exit code above 125: PostgreSQL ends the recovery, rather than take the log to end there."""

_CONTROL = struct.Struct("=Q")
_PAGE = struct.Struct("=HHIQI4xQ")
"""The head of a segment's first page; the system identifier is its last member."""
_SEGMENT = re.compile(r"([0-9A-F]{8})([0-9A-F]{8})([0-9A-F]{8})(?:\.[0-9A-F]{8}\.backup)?(?:\.gz)?")
_START = re.compile(r"^START WAL LOCATION: .* \(file ([0-9A-F]{24})\)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Base:
    """One back-up."""

    folder: Path

    @property
    def name(self) -> str:
        """The moment at which the backup was finished, as `NAME` writes it."""
        return self.folder.name

    @property
    def cluster(self) -> Path:
        """The folder of the cluster."""
        new = self.folder / "postgres"
        return new if new.is_dir() else self.folder

    @property
    def secrets(self) -> Path:
        """The folder that holds stack.json and keys, and settings.env where there was one."""
        return self.folder if self.cluster != self.folder else self.folder.parents[1] / "secrets"

    @property
    def first_segment(self) -> int:
        """Number of the first segment that it needs; raises DirectoryUnusable if it is damaged."""
        label = self.cluster / "backup_label"
        try:
            if found := _START.search(label.read_text(errors="replace")):
                return number_of(found[1])
        except OSError as error:
            raise unusable(label, error) from error
        raise DirectoryUnusable(f"{label} is damaged: it names no segment")


def bases(archive: Path) -> list[Base]:
    """Return all finished back-ups, the oldest first."""
    return [Base(folder) for folder in sorted((archive / "base").glob("*Z")) if folder.is_dir()]


def number_of(segment: str) -> int:
    """Return the place of a segment in the log, on any timeline."""
    return int(segment[8:16], 16) * SEGMENTS_PER_LOG + int(segment[16:24], 16)


def segments(folder: Path) -> dict[Path, int]:
    """Return the segments in *folder*, and labels of back-ups, with their numbers."""
    found = folder.iterdir() if folder.is_dir() else ()
    return {each: number_of(each.name) for each in found if _SEGMENT.fullmatch(each.name)}


def system_identifier(cluster: Path) -> str:
    """Return the number that tells a cluster from all others.

    Raises:
        DirectoryUnusable: It cannot be read.
    """
    control = cluster / "global" / "pg_control"
    try:
        return str(_CONTROL.unpack_from(control.read_bytes())[0])
    except OSError as error:
        raise unusable(control, error) from error
    except struct.error:
        raise DirectoryUnusable(f"{control} is damaged") from None


def claim(archive: Path, identifier: str) -> None:
    """Assign *archive* to the cluster *identifier*, or check that it belongs to it.

    Raises:
        ArchiveOfAnother: It belongs to another.
        DirectoryUnusable: It cannot be written, or is none.
    """
    try:
        archive.mkdir(parents=True, exist_ok=True, mode=0o700)
        if (owner := _owner(archive)) is None or not (archive / OWNER).exists():
            said = {"systemIdentifier": owner or identifier}
            write_private(archive / OWNER, json.dumps(said))
            owner = _owner(archive)
    except OSError as error:
        raise unusable(archive, error) from error
    if owner != identifier:
        raise ArchiveOfAnother(
            f"{archive} belongs to another stack (PostgreSQL system {owner}; this one is"
            f" {identifier}); give each stack an archive of its own"
        )


def _owner(archive: Path) -> str | None:
    path = archive / OWNER
    if path.exists():
        try:
            return str(json.loads(path.read_text())["systemIdentifier"])
        except (ValueError, KeyError, TypeError):
            raise DirectoryUnusable(f"{path} is damaged") from None
    # In an archive of an earlier release only the back-ups and segments show it.
    for base in reversed(bases(archive)):
        return system_identifier(base.cluster)
    for segment in sorted(segments(archive / "wal")):
        if segment.suffix != ".gz" and segment.stat().st_size >= _PAGE.size:
            with segment.open("rb") as file:
                return str(_PAGE.unpack(file.read(_PAGE.size))[-1])
    return None


def save_command(folder: str) -> str:
    """Return how the shell puts a segment into *folder*, which is quoted for it.

    A segment appears whole or not at all; one that is there already must be the same.
    """
    old, new = f"{folder}/%f", f"{folder}/%f.gz"
    save = f'gzip -1 -c "%p" > {new}.part && sync {new}.part && mv {new}.part {new}'
    return (
        f'if test -f {new}; then gzip -cd {new} | cmp -s - "%p"; '
        f'elif test -f {old}; then cmp -s {old} "%p"; else {save}; fi'
    )


def folder_of(command: str) -> Path | None:
    """Return the archive into which a server with this `archive_command` saves its segments.

    None when it saves none, or in another way than with `save_command`.
    """
    words = shlex.split(command)
    if words[:3] != ["if", "test", "-f"] or not words[3].endswith("/wal/%f.gz;"):
        return None
    return Path(words[3].removesuffix("/wal/%f.gz;").replace("%%", "%"))


def fetch_command(folder: str) -> str:
    """Return how the shell gets a segment out of *folder*, which is quoted for it."""
    old, new = f"{folder}/%f", f"{folder}/%f.gz"
    return (
        f'if test -f {new}; then gzip -cd {new} > "%p" || exit {UNREADABLE}; '
        f'elif test -f {old}; then cp {old} "%p"; else exit 1; fi'
    )


def point_to_newest(archive: Path, base: Base) -> None:
    """Lead `secrets` to *base*, where the file system can and no older release kept them there."""
    link, new = archive / "secrets", archive / "secrets.new"
    if link.exists() and not link.is_symlink():
        return
    with suppress(OSError):
        new.unlink(missing_ok=True)
        new.symlink_to(Path("base") / base.name)
        new.replace(link)


def prune(archive: Path, keep: int) -> tuple[list[str], int]:
    """Remove all but the newest *keep* back-ups, and the segments that none of these needs.

    Returns the names of the back-ups that went, and the number of segments.

    Raises:
        DirectoryUnusable: The oldest that stays is damaged; then no segment is removed.
    """
    found = bases(archive)
    going, staying = found[:-keep], found[-keep:]
    for base in going:
        # Renamed first: half a back-up must not be taken for one.
        gone = base.folder.with_name(f"{base.name}.removed")
        base.folder.rename(gone)
        shutil.rmtree(gone)
    first = min(base.first_segment for base in staying)
    useless = [path for path, number in segments(archive / "wal").items() if number < first]
    for path in useless:
        path.unlink()
    return [base.name for base in going], len(useless)
