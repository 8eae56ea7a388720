"""What schemathesis needs to be told (SCHEMATHESIS_HOOKS).

Bodies that are files are sent as the bytes they are; each operation that was answered is noted in
the file that REACHED names.
"""

import os
from pathlib import Path
from typing import Any

import schemathesis

REACHED = "FUZZ_REACHED"

schemathesis.serializer.alias(
    ["application/zip", "application/offset+octet-stream"], "application/octet-stream"
)


@schemathesis.hook
def after_call(_: Any, case: Any, __: Any) -> None:
    """Note that an operation was answered."""
    with Path(os.environ[REACHED]).open("a") as file:
        file.write(f"{case.operation.label}\n")
