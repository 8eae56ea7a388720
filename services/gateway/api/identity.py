"""Accounts, sessions, and personal access tokens."""

from libs import errors
from services.gateway.access.limits import LimitClass, caller_of
from services.gateway.access.login_limits import LoginLimits
from services.gateway.accounts.identity import Identities
from services.gateway.accounts.identity.model import (
    Login,
    Logout,
    NewPersonalToken,
    Person,
    PersonalToken,
    Refresh,
    Register,
    SignedIn,
    TokenCreate,
)
from services.gateway.api.shapes import Page
from services.gateway.http.cursors import cursor_after, id_of
from services.gateway.http.pages import page_of
from services.gateway.http.route import Answer, AnyRoute, Call, NoBody, NoQuery, Route


class IdentityRoutes:
    """Handlers about people and their credentials."""

    def __init__(self, identities: Identities, logins: LoginLimits) -> None:
        """Ask *identities*; logins are bounded by *logins*."""
        self._identities = identities
        self._logins = logins

    def routes(self) -> list[AnyRoute]:
        """Return the routes."""
        return [*self._auth(), *self._mine()]

    def _auth(self) -> list[AnyRoute]:
        return [
            Route(
                method="POST",
                path="/api/auth/register",
                handler=self.register,
                summary="Create an account and log in",
                tag="Identity",
                body=Register,
                query=NoQuery,
                cost=LimitClass.AUTH,
                anonymous=True,
                answer=SignedIn,
                status=201,
                problems=("EMAIL_TAKEN",),
            ),
            Route(
                method="POST",
                path="/api/auth/login",
                handler=self.login,
                summary="Log in",
                tag="Identity",
                body=Login,
                query=NoQuery,
                cost=LimitClass.AUTH,
                anonymous=True,
                answer=SignedIn,
                problems=("UNAUTHENTICATED",),
            ),
            Route(
                method="POST",
                path="/api/auth/refresh",
                handler=self.refresh,
                summary="Spend a refresh token for a new pair",
                description=(
                    "Each refresh token is good once; for some seconds, and while its successor"
                    " was not used, it may come again, because an answer was lost or two windows"
                    " refresh at once. A later use means that somebody else has it too, and"
                    " closes the whole session."
                ),
                tag="Identity",
                body=Refresh,
                query=NoQuery,
                cost=LimitClass.WRITE,
                anonymous=True,
                answer=SignedIn,
                problems=("UNAUTHENTICATED", "REFRESH_TOKEN_REUSED"),
            ),
            Route(
                method="POST",
                path="/api/auth/logout",
                handler=self.logout,
                summary="Close the session, or with `everywhere` all sessions",
                description=(
                    "Its access tokens are refused from then on, and its sockets and event"
                    " streams end within seconds."
                ),
                tag="Identity",
                body=Logout,
                query=NoQuery,
                cost=LimitClass.WRITE,
                anonymous=True,
                status=204,
            ),
        ]

    def _mine(self) -> list[AnyRoute]:
        return [
            Route(
                method="GET",
                path="/api/me",
                handler=self.me,
                summary="Who am I",
                tag="Identity",
                body=NoBody,
                query=NoQuery,
                cost=LimitClass.READ,
                action="me.read",
                answer=Person,
            ),
            Route(
                method="POST",
                path="/api/tokens",
                handler=self.create_token,
                summary="Create a personal access token",
                description=(
                    "The answer is the only place where its secret is ever shown. One that is made"
                    " with a personal token has no more scopes than that, ends no later, and is"
                    " deleted with it."
                ),
                tag="Tokens",
                body=TokenCreate,
                query=NoQuery,
                cost=LimitClass.WRITE,
                action="token.create",
                answer=NewPersonalToken,
                status=201,
            ),
            Route(
                method="GET",
                path="/api/tokens",
                handler=self.list_tokens,
                summary="List personal access tokens",
                tag="Tokens",
                body=NoBody,
                query=Page,
                cost=LimitClass.READ,
                action="token.list",
                answer=page_of(PersonalToken),
            ),
            Route(
                method="GET",
                path="/api/tokens/{id}",
                handler=self.read_token,
                summary="Read a personal access token",
                tag="Tokens",
                body=NoBody,
                query=NoQuery,
                cost=LimitClass.READ,
                action="token.read",
                answer=PersonalToken,
                problems=("NOT_FOUND",),
            ),
            Route(
                method="DELETE",
                path="/api/tokens/{id}",
                handler=self.delete_token,
                summary="Delete a personal access token",
                description=(
                    "It is refused from the next request on, and so are the tokens that were made"
                    " with it; sockets and event streams that they opened end within seconds."
                ),
                tag="Tokens",
                body=NoBody,
                query=NoQuery,
                cost=LimitClass.WRITE,
                action="token.delete",
                status=204,
                problems=("NOT_FOUND",),
            ),
        ]

    async def register(self, call: Call[Register]) -> Answer:
        """Create an account."""
        origin = caller_of(None, call.address)
        return Answer.json(await self._identities.register(call.body, origin), 201)

    async def login(self, call: Call[Login]) -> Answer:
        """Open a session."""
        return Answer.json(await self._logins.login(call.body, caller_of(None, call.address)))

    async def refresh(self, call: Call[Refresh]) -> Answer:
        """Continue a session."""
        return Answer.json(await self._identities.refresh(call.body.refresh_token))

    async def logout(self, call: Call[Logout]) -> Answer:
        """Close sessions."""
        body = call.body
        await self._identities.logout(body.refresh_token, everywhere=body.everywhere)
        return Answer(204)

    async def me(self, call: Call[NoBody]) -> Answer:
        """Tell who asks."""
        person = await self._identities.store.find_user(call.identity.user_id)
        if person is None:
            raise errors.Unauthenticated("This account no longer exists.")
        return Answer.json(person)

    async def create_token(self, call: Call[TokenCreate]) -> Answer:
        """Make a token."""
        token = await self._identities.create_token(call.identity, call.new_id, call.body)
        return Answer.json(token, 201, {"Location": f"/api/tokens/{token.id}"})

    async def list_tokens(self, call: Call[NoBody, Page]) -> Answer:
        """List tokens."""
        limit = call.query.limit
        found = await self._identities.store.list_tokens(
            call.identity.user_id, id_of(call.query.cursor), limit + 1
        )
        more = len(found) > limit
        items = [token.model_dump(mode="json", by_alias=True) for token in found[:limit]]
        cursor = cursor_after(found[limit - 1].id) if more else None
        return Answer.json({"items": items, "nextCursor": cursor})

    async def read_token(self, call: Call[NoBody]) -> Answer:
        """Show a token, without its secret."""
        user_id, token_id = call.identity.user_id, call.path["id"]
        return Answer.json(await self._identities.store.find_token(user_id, token_id))

    async def delete_token(self, call: Call[NoBody]) -> Answer:
        """Delete a token."""
        await self._identities.delete_token(call.identity.user_id, call.path["id"])
        return Answer(204)
