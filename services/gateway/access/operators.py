"""Operators of the system: a list in the settings, because it belongs to no project."""

from collections.abc import Iterable
from uuid import UUID

from libs import errors
from services.gateway.accounts.identity.model import Identity
from services.gateway.accounts.identity.names import normal_email

EVERYBODY = "*"


class Operators:
    """Tells operators from others. Without a list nobody is one."""

    def __init__(self, listed: Iterable[str]) -> None:
        """Take ids, email addresses, or `*` for everybody with an account.

        An address is believed as far as an account with it is: here anybody can register one that
        nobody has, so list ids, or addresses whose accounts are there.
        """
        self._ids: set[UUID] = set()
        self._emails: set[str] = set()
        self._everybody = False
        for each in listed:
            if not each:
                continue
            if each == EVERYBODY:
                self._everybody = True
            elif "@" in each:
                self._emails.add(normal_email(each))
            else:
                self._ids.add(UUID(each))

    def require(self, identity: Identity) -> None:
        """Return when *identity* is an operator.

        Raises:
            Forbidden: They are not; the detail says what to do about it.
        """
        if not self.known(identity):
            raise errors.Forbidden(
                "Only operators may see this. Whoever runs this system names them in"
                " SCRIPTORIUM_OPERATORS of its gateways.",
                action="ops.read",
            )

    def known(self, identity: Identity) -> bool:
        """Whether *identity* is an operator."""
        return (
            self._everybody
            or identity.user_id in self._ids
            or normal_email(identity.email) in self._emails
        )
