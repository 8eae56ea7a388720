"""Bodies that are files, for schemathesis: sent as the bytes they are (SCHEMATHESIS_HOOKS)."""

import schemathesis

schemathesis.serializer.alias(
    ["application/zip", "application/offset+octet-stream"], "application/octet-stream"
)
