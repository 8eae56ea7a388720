"""Copy the objects of files from the storage into a folder, and back: part of a back-up.

    python -m deploy.objects save FOLDER
    python -m deploy.objects load FOLDER

The storage is that of the blobs service: SCRIPTORIUM_STORAGE_URL and the credentials beside it. An
object never changes and its name is never used again, so objects that are there are not copied
again, and copying while people upload does no harm: copy after the databases. What is gone from the
storage stays in the folder: an older database refers to it.
"""

import argparse
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

import boto3
from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

if TYPE_CHECKING:
    from types_boto3_s3.client import S3Client

COPIES_AT_ONCE = 8


class Settings(BaseSettings):
    """Where the storage is."""

    model_config = SettingsConfigDict(env_prefix="SCRIPTORIUM_", extra="ignore")

    storage_url: str = Field(pattern=r"^s3://")
    s3_access_key: str | None = None
    s3_secret_key: str | None = None


class Storage:
    """The objects of one bucket under one prefix."""

    def __init__(self, settings: Settings) -> None:
        """Connect to the storage of the settings."""
        parts = urlsplit(settings.storage_url)
        options = {name: values[0] for name, values in parse_qs(parts.query).items()}
        self._bucket = parts.netloc
        self._prefix = f"{parts.path.strip('/')}/".removeprefix("/")
        self._client: S3Client = boto3.client(
            "s3",
            endpoint_url=options.get("endpoint"),
            region_name=options.get("region", "us-east-1"),
            aws_access_key_id=settings.s3_access_key,
            aws_secret_access_key=settings.s3_secret_key,
        )

    def sizes(self) -> dict[str, int]:
        """Return the size of each object by its name under the prefix."""
        return dict(self._list())

    def _list(self) -> Iterator[tuple[str, int]]:
        pages = self._client.get_paginator("list_objects_v2")
        for page in pages.paginate(Bucket=self._bucket, Prefix=self._prefix):
            for each in page.get("Contents", []):
                yield each.get("Key", "").removeprefix(self._prefix), each.get("Size", 0)

    def save(self, name: str, file: Path) -> None:
        """Copy one object into a file, which is there as a whole or not at all."""
        file.parent.mkdir(parents=True, exist_ok=True)
        part = file.with_name(f".{file.name}.part")
        self._client.download_file(self._bucket, self._prefix + name, str(part))
        part.rename(file)

    def load(self, name: str, file: Path) -> None:
        """Copy one file into an object."""
        self._client.upload_file(str(file), self._bucket, self._prefix + name)

    def make_bucket(self) -> None:
        """Make the bucket unless it is there."""
        made = [each.get("Name") for each in self._client.list_buckets().get("Buckets", [])]
        if self._bucket not in made:
            self._client.create_bucket(Bucket=self._bucket)


def saved(folder: Path) -> dict[str, int]:
    """Return the size of each file of a back-up by its name as an object."""
    files = (file for file in folder.rglob("*") if file.is_file())
    return {
        file.relative_to(folder).as_posix(): file.stat().st_size
        for file in files
        if not file.name.endswith(".part")
    }


def main() -> None:
    """Copy what is missing on the other side."""
    parser = argparse.ArgumentParser(prog="python -m deploy.objects")
    parser.add_argument("way", choices=("save", "load"))
    parser.add_argument("folder", type=Path)
    given = parser.parse_args()
    storage, folder = Storage(Settings()), given.folder  # pyright: ignore[reportCallIssue]
    if given.way == "load":
        storage.make_bucket()
    there, here = storage.sizes(), saved(folder)
    source, target = (there, here) if given.way == "save" else (here, there)
    copy = storage.save if given.way == "save" else storage.load
    missing = [name for name, size in source.items() if target.get(name) != size]
    with ThreadPoolExecutor(COPIES_AT_ONCE) as pool:
        list(pool.map(copy, missing, [folder / name for name in missing]))
    sys.stdout.write(f"{len(missing)} of {len(source)} objects copied\n")


if __name__ == "__main__":
    main()
