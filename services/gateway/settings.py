"""Settings of a gateway for operators; each is `SCRIPTORIUM_<NAME>` in the environment."""

from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Annotated, Self
from uuid import UUID

from pydantic import (
    Field,
    IPvAnyNetwork,
    PositiveFloat,
    PositiveInt,
    field_validator,
    model_validator,
)
from pydantic_settings import NoDecode

from libs.process import ProcessSettings
from libs.process.goodbyes import Goodbyes
from services.gateway.accounts.identity.names import require_email

DAY_S = 86_400


class Settings(ProcessSettings):
    """Settings of one gateway process."""

    host: str = "127.0.0.1"
    port: int = Field(description="The one public port: HTTP and WebSocket.")
    keys_dir: Path = Field(
        description="Folder of the Ed25519 keys that sign access tokens; shared by all replicas."
    )
    drain_wait_s: PositiveFloat = Field(
        default=20.0, description="How long requests in flight may take to end at a stop."
    )
    drain_closes_per_s: PositiveFloat = Field(
        default=200.0,
        description="Sockets and event streams that are closed in a second at a stop, so that their"
        " clients do not all reconnect at once; all are closed within half of the time that"
        " requests have.",
    )
    allowed_origins: Annotated[tuple[str, ...], NoDecode] = Field(
        default=(), description="Origins whose pages may call the API, comma-separated (CORS)."
    )
    trusted_proxies: Annotated[tuple[IPvAnyNetwork, ...], NoDecode] = Field(
        default=(),
        description="Networks whose X-Forwarded-For is believed, comma-separated.",
    )

    public_url: str | None = Field(
        default=None,
        description="Where clients reach us, for presigned addresses; as they asked when empty.",
    )
    blobs_url: str | None = Field(
        default=None,
        description="Listener of blobs that presigned addresses lead to; learnt when empty.",
    )

    token_issuer: str = Field(default="scriptorium", description="`iss` of our access tokens.")
    token_audience: str = Field(default="scriptorium", description="`aud` of our access tokens.")
    access_token_life_s: PositiveInt = 900
    refresh_token_life_s: PositiveInt = 30 * DAY_S
    session_life_s: PositiveInt = Field(
        default=90 * DAY_S, description="After this a person logs in again, however active."
    )

    operators: Annotated[tuple[str, ...], NoDecode] = Field(
        default=(),
        description="Who may see how the system is: ids or email addresses of people, separated"
        " by commas, or * for everybody with an account. Nobody when empty.",
    )

    oidc_issuer: str | None = Field(
        default=None, description="URL of an OpenID provider whose tokens are accepted too."
    )
    oidc_audience: str | None = Field(
        default=None, description="`aud` that its tokens must carry; required with an issuer."
    )

    limit_auth_per_minute: PositiveInt = Field(
        default=60, description="Registrations and logins per IP address."
    )
    limit_account_per_minute: PositiveInt = Field(
        default=20,
        description="Failed logins per account, from networks that its person did not log in from"
        " before; each of those has as many of its own.",
    )
    sockets_per_person_max: PositiveInt = Field(
        default=1000, description="Sockets that one person may have open at one gateway."
    )
    limit_read_per_minute: PositiveInt = 1200
    limit_write_per_minute: PositiveInt = 600
    limit_content_per_minute: PositiveInt = 600
    limit_ai_per_minute: PositiveInt = 60

    @field_validator("allowed_origins", "trusted_proxies", "operators", mode="before")
    @classmethod
    def _listed(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(part.strip() for part in value.split(",") if part.strip())
        return value

    @field_validator("operators")
    @classmethod
    def _named(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for each in value:
            if "@" in each:
                require_email(each)
            elif each != "*":
                UUID(each)
        return value

    @property
    def trusted_networks(self) -> list[IPv4Network | IPv6Network]:
        """The networks whose X-Forwarded-For is believed."""
        return list(self.trusted_proxies)

    @property
    def goodbyes(self) -> Goodbyes:
        """How fast sockets and streams are closed at a stop."""
        return Goodbyes(per_s=self.drain_closes_per_s, within_s=self.drain_wait_s / 2)

    @model_validator(mode="after")
    def _oidc_whole(self) -> Self:
        if (self.oidc_issuer is None) != (self.oidc_audience is None):
            raise ValueError("oidc_issuer and oidc_audience are given together or not at all")
        return self
