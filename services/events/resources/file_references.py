"""Which bytes are referred to: asked by blobs before it lets any go."""

from libs.contracts.actor import Actor
from libs.contracts.blobs.transfers import EntityFile, Files, ListFiles
from services.events.store import Reader, Store


class FileReferenceHandlers:
    """Answers blobs about the files of entities."""

    def __init__(self, store: Store) -> None:
        """Read from *store*."""
        self._store = store

    async def list(self, question: ListFiles, _: Actor) -> Files:
        """List entities that have files, deleted or not."""

        async def work(reader: Reader) -> Files:
            rows = await reader.entity_files(
                question.sha256s, after=question.after, limit=question.limit
            )
            return Files(files=[EntityFile.model_validate(row) for row in rows])

        return await self._store.read(work, project_id=question.project_id)
