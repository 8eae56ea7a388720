"""Files that people send: onto the disk as they come, never whole in memory."""

import asyncio
import tempfile
from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import IO
from uuid import UUID

from libs import errors
from services.gateway.http.incoming import Incoming

UPLOAD_BYTES_MAX = 4 << 30
"""Of one file; UPLOADS_MAX of them may lie in the temporary folder of a gateway."""
UPLOADS_MAX = 4
"""Files that one gateway takes in at once."""
UPLOADS_PER_PERSON_MAX = 2
"""Of those, so that nobody takes all places."""
BUSY_RETRY_S = 10


class Uploads:
    """Takes in files, some at a time."""

    def __init__(self) -> None:
        """Begin with none."""
        self._free = UPLOADS_MAX
        self._of_person = Counter[UUID]()

    @asynccontextmanager
    async def receive(self, body: Incoming, user_id: UUID) -> AsyncGenerator[IO[bytes]]:
        """Take in what a person sends, as a file that is gone afterwards.

        Raises:
            errors.TooLarge: It is longer than it may be.
            errors.RateLimited: UPLOADS_MAX files are being taken in, or UPLOADS_PER_PERSON_MAX of
                theirs.
            errors.Invalid: It did not come whole, or too slowly.
        """
        if not self._free or self._of_person[user_id] >= UPLOADS_PER_PERSON_MAX:
            raise errors.RateLimited("Too many imports at once.", retryAfterS=BUSY_RETRY_S)
        self._free -= 1
        self._of_person[user_id] += 1
        try:
            with tempfile.TemporaryFile() as file:
                async for part in body.parts():
                    await asyncio.to_thread(file.write, part)
                yield file
        finally:
            self._free += 1
            self._of_person -= Counter((user_id,))
