"""References to bytes, which blobs asks for before it deletes any."""

from libs.contracts.actor import Actor
from libs.contracts.blobs.transfers import EntityFile, Files, ListFiles
from services.events.store import Reader, Store


class FileReferenceHandlers:
    """The handler that lists the files of entities for blobs."""

    def __init__(self, store: Store) -> None:
        """Read from *store*."""
        self._store = store

    async def list(self, question: ListFiles, _: Actor) -> Files:
        """List entities that have files, deleted or not."""

        async def query_list(reader: Reader) -> Files:
            rows = await reader.entity_files(
                question.sha256s, after=question.after, limit=question.limit
            )
            return Files(files=[EntityFile.model_validate(row) for row in rows])

        return await self._store.run_read(query_list, project_id=question.project_id)
