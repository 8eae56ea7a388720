"""Opens Yjs states with real editors, all in one Node.js process."""

import base64
import json
import shutil
import subprocess
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

HERE = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Opened:
    """What became of a state in a real editor."""

    changed: bool
    """Whether the editor wrote anything into the document."""
    update: bytes
    """What it wrote, as one Yjs update."""
    text: str
    """All text that it shows."""
    json: Any
    """Its document as it gives it away."""


class RealEditors:
    """The process that opens documents; end it with `close`, or use it in a `with` statement."""

    def __init__(self) -> None:
        node = shutil.which("node")
        if not node or not (HERE.parent / "node_modules").is_dir():
            raise RuntimeError(
                "Node.js or tests/clients/node_modules is missing: run `make install`"
            )
        self._process = subprocess.Popen(
            [node, str(HERE / "open.mjs")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            # Browsers that nobody looks at complain of much, such as a missing canvas.
            stderr=subprocess.DEVNULL,
        )

    def open(self, editor: str, state: bytes) -> Opened:
        """Open *state* with *editor*, the name of a module of this folder, and let it settle."""
        return next(self.open_all(editor, [state]))

    def open_all(self, editor: str, states: Iterable[bytes]) -> Iterator[Opened]:
        """Open many, one after the other."""
        assert self._process.stdin
        assert self._process.stdout
        for state in states:
            asked = {"editor": editor, "state": base64.b64encode(state).decode()}
            self._process.stdin.write(json.dumps(asked).encode() + b"\n")
            self._process.stdin.flush()
            line = self._process.stdout.readline()
            answer: dict[str, Any] = (
                json.loads(line) if line else {"error": "The process of the editors ended."}
            )
            if "error" in answer:
                raise AssertionError(f"{editor}: {answer['error']}")
            yield Opened(
                answer["changed"],
                base64.b64decode(answer["update"]),
                answer["text"],
                answer["json"],
            )

    def close(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.communicate()

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End the process."""
        self.close()
