"""Settings of the blobs service."""

from urllib.parse import unquote, urlsplit

from pydantic import Field, SecretStr, field_validator

from services.blobs.collection.settings import UpkeepSettings
from services.blobs.storage import Credentials, Place


class Settings(UpkeepSettings):
    """Settings of the blobs service."""

    storage_url: str = Field(
        description="The storage: file:///folder, or s3://bucket/prefix?endpoint=...&region=..."
        " Do not share it: the service deletes objects that this database does not know.",
    )
    s3_access_key: str | None = Field(
        default=None, description="None lets boto3 look where it always does."
    )
    s3_secret_key: SecretStr | None = None
    bytes_host: str = "127.0.0.1"
    bytes_port: int = Field(description="Port of the listener for bytes; not public.")
    bytes_url: str = Field(description="Where gateways reach that listener.")
    quota_bytes: int | None = Field(
        default=50 << 30, ge=0, description="Quota of a project, bytes; empty for no quota."
    )
    upload_life_s: int = Field(
        default=86_400, ge=60, description="How long an upload may take from its beginning."
    )

    @field_validator("storage_url")
    @classmethod
    def _is_place(cls, url: str) -> str:
        Place.parse(url)
        return url

    @property
    def credentials(self) -> Credentials:
        """The credentials for the storage."""
        secret = self.s3_secret_key.get_secret_value() if self.s3_secret_key else None
        return Credentials(self.s3_access_key, secret)

    @property
    def role(self) -> str:
        """The run-time role, to which migrations grant what it needs."""
        return unquote(urlsplit(self.postgres_url).username or "blobs")
