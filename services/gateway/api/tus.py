"""Resumable uploads: tus 1.0.0, and uploads that go to a presigned address.

Creation, creation-with-upload, creation-defer-length, checksum, termination and expiration, as
https://tus.io says.
"""

from libs.contracts.blobs.transfers import Upload
from libs.contracts.values import BLOB_BYTES_MAX
from services.gateway.access.limits import LimitClass
from services.gateway.api.blobs import STORE_PROBLEMS
from services.gateway.api.tus_words import ALWAYS, OFFSET_TYPE, UploadWanted
from services.gateway.api.uploading import DirectUpload, Uploading
from services.gateway.http.blob_tickets import Blobs
from services.gateway.http.incoming import Incoming
from services.gateway.http.route import JSON, AnyRoute, NoBody, NoQuery, Route

TAG = "Uploads"

_PROBLEMS = (
    *STORE_PROBLEMS,
    "PRECONDITION_FAILED",
    "UNSUPPORTED_FORMAT",
    "TOO_LARGE",
    "UPLOAD_UNFINISHED",
)


class UploadRoutes:
    """Routes about uploads that take more than one request."""

    def __init__(self, blobs: Blobs, public_url: str | None) -> None:
        """Ask *blobs*; clients reach us at *public_url*, or where they asked."""
        self._uploading = Uploading(blobs, public_url)

    def routes(self) -> list[AnyRoute]:
        """Return the routes."""
        return [*self._of_collection(), *self._of_item()]

    def _of_collection(self) -> list[AnyRoute]:
        return [
            Route(
                method="OPTIONS",
                path="/api/projects/{id}/uploads",
                handler=self._uploading.options,
                summary="What this tus server can do",
                tag=TAG,
                always=ALWAYS,
                body=NoBody,
                query=NoQuery,
                cost=None,
                anonymous=True,
                status=204,
            ),
            Route(
                method="POST",
                path="/api/projects/{id}/uploads",
                handler=self._uploading.create,
                summary="Begin an upload",
                description=(
                    "tus 1.0.0: Upload-Length or Upload-Defer-Length, and in Upload-Metadata"
                    " `filename`, `filetype`, `sha256` and `assetType`, all optional; the first"
                    " bytes may come along. With a JSON body instead, an upload by one PUT to a"
                    " presigned address."
                ),
                tag=TAG,
                always=ALWAYS,
                body=Incoming,
                keyed=False,
                body_model=UploadWanted,
                query=NoQuery,
                cost=LimitClass.CONTENT,
                place=("project", "id"),
                action="blob.upload",
                answer=DirectUpload,
                status=201,
                problems=_PROBLEMS,
                body_bytes_max=BLOB_BYTES_MAX,
                media_types=(JSON, OFFSET_TYPE),
            ),
        ]

    def _of_item(self) -> list[AnyRoute]:
        path = "/api/projects/{id}/uploads/{uploadId}"
        return [
            Route(
                method="OPTIONS",
                path=path,
                handler=self._uploading.options,
                summary="What this tus server can do",
                tag=TAG,
                always=ALWAYS,
                body=NoBody,
                query=NoQuery,
                cost=None,
                anonymous=True,
                status=204,
            ),
            Route(
                method="GET",
                path=path,
                handler=self._uploading.show,
                summary="How far an upload is",
                description=(
                    "A HEAD tells it in Upload-Offset, as tus clients ask. That all bytes are here"
                    " it tells only when they are a file: until then 423, or to a GET 202 with"
                    " Retry-After; 410 with the reason when they were refused."
                ),
                tag=TAG,
                always=ALWAYS,
                body=NoBody,
                query=NoQuery,
                cost=LimitClass.READ,
                place=("project", "id"),
                action="blob.upload",
                answer=Upload,
                problems=("PRECONDITION_FAILED", "GONE", "UPLOAD_UNFINISHED"),
                waits=Upload,
                head=True,
            ),
            Route(
                method="PATCH",
                path=path,
                handler=self._uploading.append,
                summary="Send the next bytes of an upload",
                description=(
                    "From Upload-Offset on; Upload-Length tells the length if the creation did not."
                    " What arrived stays when the connection breaks. The request with the last byte"
                    " is answered when all is verified and stored. A POST with the header"
                    " `X-HTTP-Method-Override: PATCH` does the same."
                ),
                tag=TAG,
                always=ALWAYS,
                body=Incoming,
                query=NoQuery,
                cost=LimitClass.CONTENT,
                place=("project", "id"),
                action="blob.upload",
                status=204,
                problems=(*_PROBLEMS, "GONE"),
                body_bytes_max=BLOB_BYTES_MAX,
                media_types=(OFFSET_TYPE,),
            ),
            Route(
                method="DELETE",
                path=path,
                handler=self._uploading.cancel,
                summary="Forget an upload",
                description="One that is done stays a file.",
                tag=TAG,
                always=ALWAYS,
                body=NoBody,
                query=NoQuery,
                cost=LimitClass.WRITE,
                place=("project", "id"),
                action="blob.upload",
                status=204,
                problems=("PRECONDITION_FAILED", "GONE"),
            ),
            Route(
                method="POST",
                path=f"{path}/complete",
                handler=self._uploading.complete,
                summary="Verify what was sent to a presigned address",
                description="Only needed when that was the storage's own.",
                tag=TAG,
                always=ALWAYS,
                body=NoBody,
                query=NoQuery,
                cost=LimitClass.CONTENT,
                place=("project", "id"),
                action="blob.upload",
                answer=Upload,
                problems=(*STORE_PROBLEMS, "GONE", "UPLOAD_UNFINISHED"),
            ),
        ]
