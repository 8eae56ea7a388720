"""Which bytes are referred to: asked by blobs before it lets any go."""

from libs.contracts.actor import Actor
from libs.contracts.blobs.transfers import EntityFile, Files, ListFiles
from services.events.store import SQL, Reader, Store


class FileReferences:
    """Answers blobs about the files of entities."""

    def __init__(self, store: Store) -> None:
        """Read from *store*."""
        self._store = store

    async def list(self, question: ListFiles, _: Actor) -> Files:
        """List entities that have files, deleted or not."""

        async def work(reader: Reader) -> Files:
            rows = await reader.connection.fetch(
                SQL.files, question.project_id, question.sha256s, question.after, question.limit
            )
            return Files(files=[EntityFile.model_validate(dict(row)) for row in rows])

        return await self._store.read(work, project_id=question.project_id)
