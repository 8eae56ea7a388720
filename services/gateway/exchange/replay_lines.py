"""The lines of a scene's replay, as a stream and in an export: one JSON value each."""

import json
from base64 import b64encode
from typing import Any
from uuid import UUID

from libs.contracts.collab.history import Frame


def frame_line(frame: Frame) -> bytes:
    """Return a frame as a line of JSON."""
    by: list[UUID] = frame.by
    return json_line(
        {
            "seqFrom": frame.seq_from,
            "seq": frame.seq,
            "at": frame.at.isoformat().replace("+00:00", "Z") if frame.at else None,
            "by": [str(each) for each in by],
            "update": b64encode(frame.update).decode(),
        }
    )


def json_line(value: dict[str, Any]) -> bytes:
    """Return a value as a line of JSON."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode() + b"\n"
