"""The file of an entity in a package: its name and its bytes' checksum, without owner or ids."""

from collections.abc import Mapping
from typing import Annotated, Any
from uuid import UUID

from pydantic import StringConstraints, ValidationError

from libs import errors
from libs.contracts.events import file_paths
from libs.contracts.events.files import PATH_CHARS_MAX, StoredFile
from libs.contracts.events.world import EntityType, FileType
from libs.contracts.values import Sha256, Size
from libs.contracts.wire import Wire
from services.events.model.aggregate import AggregateSpec, Row
from services.events.model.aggregates import ENTITY


class PackageFile(Wire):
    """A file in a line of a package; without a `name` it is named after its entity."""

    name: Annotated[str, StringConstraints(min_length=1, max_length=PATH_CHARS_MAX)] | None = None
    sha256: Sha256
    size: Size
    type: FileType

    @classmethod
    def of(cls, spec: AggregateSpec, row: Row) -> "PackageFile | None":
        """Return the file of the aggregate in *row*; None when it has none."""
        if spec is not ENTITY or row["file_checksum"] is None:
            return None
        return cls(
            name=file_paths.name_in(row["file_path"], row["id"]),
            sha256=row["file_checksum"],
            size=row["file_size"],
            type=FileType(row["file_type"]),
        )

    @classmethod
    def read(cls, spec: AggregateSpec, said: Any, number: int) -> "PackageFile":
        """Return the file in the line of thing *number*.

        Raises:
            errors.Invalid: The file is malformed, or the thing cannot have a file.
        """
        if spec is ENTITY:
            try:
                return cls.model_validate(said)
            except ValidationError:
                pass
        raise errors.Invalid(
            f"thing {number}: file: does not have the required form",
            at=number,
            errors=[{"field": "file", "detail": "does not have the required form"}],
        )

    def stored(
        self, *, project_id: UUID, entity_id: UUID, owner_id: UUID, fields: Mapping[str, Any]
    ) -> StoredFile:
        """Return the stored file of an entity with these *fields*."""
        return file_paths.stored_file(
            project_id=project_id,
            entity_id=entity_id,
            entity_type=EntityType(fields["type"]),
            owner_id=owner_id,
            sha256=self.sha256,
            size=self.size,
            sort=self.type,
            name=self.name,
            preview=fields.get("preview"),
        )
