"""`python -m tests.contracts`: record golden files of event types that have none like it yet."""

import asyncio
import sys
import tempfile
from pathlib import Path

from tests.ai.told import everything_run
from tests.contracts.discussion import discussed
from tests.contracts.normal import GOLDEN_OF_AI, GOLDEN_OF_COLLAB, first_of_each, keep
from tests.contracts.story import told
from tests.support.stack import real_stack


async def main() -> None:
    """Live the stories on stacks of their own, and keep what is new."""
    with tempfile.TemporaryDirectory() as folder:
        async with real_stack(Path(folder), replicas={"events": 1}) as stack:
            written = keep(first_of_each(await told(stack)))
    with tempfile.TemporaryDirectory() as folder:
        async with real_stack(Path(folder)) as stack:
            said = first_of_each(await discussed(stack))
            written += keep(said, GOLDEN_OF_COLLAB)
    with tempfile.TemporaryDirectory() as folder:
        replicas = {"gateway": 1, "collab": 1, "events": 1, "ai": 1}
        async with real_stack(Path(folder), replicas=replicas) as stack:
            written += keep(first_of_each(await everything_run(stack)), GOLDEN_OF_AI)
    sys.stdout.write("".join(f"{path.name}\n" for path in written) or "nothing new\n")


if __name__ == "__main__":
    asyncio.run(main())
