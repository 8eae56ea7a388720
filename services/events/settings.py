"""What an operator may set."""

from urllib.parse import unquote, urlsplit

from libs.process import ProcessSettings


class Settings(ProcessSettings):
    """Settings of the events service."""

    @property
    def role(self) -> str:
        """The run-time role, to which migrations grant what it needs."""
        return unquote(urlsplit(self.postgres_url).username or "events")
