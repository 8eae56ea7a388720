"""Accounts, sessions, tokens and keys."""

import asyncio
import os
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import httpx
import jwt
import pytest

from libs import errors
from libs.stack import Stack
from services.gateway.identity.access import AccessTokens
from services.gateway.identity.keys import KEY_REST_S, KeyRing, rotate_keys
from services.gateway.identity.model import Person as Account
from tests.gateway.support import PASSWORD, Person, is_problem, some_id, until


class TestAccounts:
    async def test_registering_logs_in(self, http: httpx.AsyncClient):
        answer = await http.post(
            "/api/auth/register",
            json={"email": "Ada@Example.org", "password": PASSWORD, "displayName": "Ada"},
        )

        body = answer.json()
        assert answer.status_code == 201
        assert body["user"]["email"] == "Ada@Example.org"
        assert body["expiresIn"] == 900
        assert answer.headers["cache-control"] == "no-store"
        me = await http.get("/api/me", headers={"Authorization": f"Bearer {body['accessToken']}"})
        assert me.json() == body["user"]

    async def test_an_address_has_one_account_in_any_case_of_letters(
        self, http: httpx.AsyncClient, mary: Person
    ):
        again = {"email": mary.email.upper(), "password": PASSWORD, "displayName": "M"}

        assert is_problem(await http.post("/api/auth/register", json=again), 409, "EMAIL_TAKEN")
        login = {"email": mary.email.upper(), "password": PASSWORD}
        assert (await http.post("/api/auth/login", json=login)).json()["user"]["id"] == mary.id

    @pytest.mark.parametrize(
        "body",
        [
            {"email": "no address", "password": PASSWORD, "displayName": "A"},
            {"email": "a@b.c", "password": "short", "displayName": "A"},
            {"email": "a@b.c", "password": "x" * 1025, "displayName": "A"},
            {"email": "a@b.c", "password": PASSWORD, "displayName": " "},
            {"email": "a@b.c", "password": PASSWORD, "displayName": "nul\0"},
            {"email": "a@b.c", "password": PASSWORD},
        ],
    )
    async def test_a_bad_registration_names_the_field(self, http: httpx.AsyncClient, body: object):
        answer = await http.post("/api/auth/register", json=body)

        assert is_problem(answer, 400, "VALIDATION_FAILED")
        assert answer.json()["errors"][0]["field"].startswith("body.")
        assert PASSWORD not in answer.text

    async def test_an_unknown_field_is_named(self, http: httpx.AsyncClient):
        body = {"email": "a@b.c", "password": PASSWORD, "displayName": "A", "role": "OWNER"}
        answer = await http.post("/api/auth/register", json=body)

        assert is_problem(answer, 422, "UNKNOWN_NAME")
        assert answer.json()["errors"][0]["field"] == "body.role"

    async def test_wrong_password_and_unknown_address_look_and_last_the_same(
        self, http: httpx.AsyncClient, mary: Person
    ):
        """Neither the words nor the time tell which addresses have accounts."""

        async def attempt(email: str) -> tuple[float, httpx.Response]:
            started = time.perf_counter()
            answer = await http.post(
                "/api/auth/login", json={"email": email, "password": "wrong wrong wrong"}
            )
            return time.perf_counter() - started, answer

        known = [await attempt(mary.email) for _ in range(7)]
        unknown = [await attempt("nobody@example.org") for _ in range(7)]

        for _, answer in known + unknown:
            assert is_problem(answer, 401, "UNAUTHENTICATED")
        assert known[0][1].json()["detail"] == unknown[0][1].json()["detail"]
        assert min(t for t, _ in unknown) > 0.5 * min(t for t, _ in known)

    async def test_logins_do_not_hold_up_others(self, http: httpx.AsyncClient, mary: Person):
        """Hashing is slow on purpose; the loop must stay free meanwhile."""
        login = {"email": mary.email, "password": PASSWORD}
        storm = [asyncio.create_task(http.post("/api/auth/login", json=login)) for _ in range(20)]
        await asyncio.sleep(0.05)
        started = time.perf_counter()
        alive = await http.get("/healthz")
        waited = time.perf_counter() - started

        assert alive.status_code == 200
        assert {each.status_code for each in await asyncio.gather(*storm)} == {200}
        assert waited < 0.5


class TestSessions:
    async def refresh(self, http: httpx.AsyncClient, token: str) -> httpx.Response:
        return await http.post("/api/auth/refresh", json={"refreshToken": token})

    async def test_a_refresh_token_is_spent_for_a_new_pair(
        self, http: httpx.AsyncClient, http2: httpx.AsyncClient, mary: Person
    ):
        first = await self.refresh(http, mary.refresh_token)
        second = await self.refresh(http2, first.json()["refreshToken"])

        assert (first.status_code, second.status_code) == (200, 200)
        tokens = {mary.refresh_token, first.json()["refreshToken"], second.json()["refreshToken"]}
        assert len(tokens) == 3

    async def test_reuse_closes_the_whole_family(self, http: httpx.AsyncClient, mary: Person):
        """A second use means that a thief has it, or had it before us: both lose it."""
        heir = (await self.refresh(http, mary.refresh_token)).json()["refreshToken"]
        stolen = await self.refresh(http, mary.refresh_token)

        assert is_problem(stolen, 401, "REFRESH_TOKEN_REUSED")
        assert is_problem(await self.refresh(http, heir), 401, "UNAUTHENTICATED")

    async def test_two_uses_at_once_make_one_pair_at_most(
        self, http: httpx.AsyncClient, http2: httpx.AsyncClient, mary: Person
    ):
        answers = await asyncio.gather(
            *(self.refresh(each, mary.refresh_token) for each in (http, http2) * 4)
        )

        assert [a.status_code for a in answers].count(200) == 1
        winner = next(a for a in answers if a.status_code == 200)
        after = await self.refresh(http, winner.json()["refreshToken"])
        assert is_problem(after, 401, "UNAUTHENTICATED")

    async def test_logout_ends_this_session_only(self, http: httpx.AsyncClient, mary: Person):
        login = {"email": mary.email, "password": PASSWORD}
        other = (await http.post("/api/auth/login", json=login)).json()["refreshToken"]
        gone = await http.post("/api/auth/logout", json={"refreshToken": mary.refresh_token})

        assert gone.status_code == 204
        assert (await self.refresh(http, mary.refresh_token)).status_code == 401
        assert (await self.refresh(http, other)).status_code == 200

    async def test_logout_everywhere_ends_all(self, http: httpx.AsyncClient, mary: Person):
        login = {"email": mary.email, "password": PASSWORD}
        other = (await http.post("/api/auth/login", json=login)).json()["refreshToken"]
        body = {"refreshToken": mary.refresh_token, "everywhere": True}

        assert (await http.post("/api/auth/logout", json=body)).status_code == 204
        assert (await self.refresh(http, other)).status_code == 401

    async def test_logging_out_with_nonsense_tells_nothing(self, http: httpx.AsyncClient):
        answer = await http.post("/api/auth/logout", json={"refreshToken": "nonsense"})

        assert answer.status_code == 204

    async def test_only_hashes_are_stored(self, stack: Stack, mary: Person):
        """Whoever reads the database can log in as nobody."""
        import asyncpg

        connection = await asyncpg.connect(stack.postgres_url("gateway", "postgres"))
        try:
            tables = ("users", "sessions", "refresh_tokens", "personal_tokens")
            dump = [str(await connection.fetch(f"SELECT * FROM {table}")) for table in tables]
        finally:
            await connection.close()

        assert mary.email in dump[0]
        assert PASSWORD not in "".join(dump)
        assert mary.refresh_token not in "".join(dump)


class TestAccessTokens:
    @pytest.mark.parametrize("header", ["", "Bearer", "Bearer x", "Basic eA==", "Bearer a.b.c"])
    async def test_without_a_good_token_there_is_401(self, http: httpx.AsyncClient, header: str):
        answer = await http.get("/api/me", headers={"Authorization": header})

        assert is_problem(answer, 401, "UNAUTHENTICATED")
        assert answer.headers["www-authenticate"] == "Bearer"

    async def test_a_token_is_refused_when_anything_about_it_is_wrong(
        self, http: httpx.AsyncClient, mary: Person, tmp_path: Path, stack: Stack
    ):
        key = KeyRing(stack.data_dir / "keys").signing()
        stranger = KeyRing(tmp_path / "keys").signing()
        claims = jwt.decode(mary.access_token, options={"verify_signature": False})
        past = datetime.now(UTC) - timedelta(hours=1)

        def forge(private: object = key.private, kid: str = key.id, **changed: object) -> str:
            body = {**claims, **changed}
            return jwt.encode(body, cast("Any", private), "EdDSA", {"kid": kid})

        forged = [
            forge(exp=past),
            forge(aud="others"),
            forge(iss="others"),
            forge(sub="nobody"),
            forge(private=stranger.private),
            forge(private=stranger.private, kid=stranger.id),
            jwt.encode(claims, "", algorithm="none", headers={"kid": key.id}),
            jwt.encode(claims, "x" * 64, algorithm="HS256", headers={"kid": key.id}),
        ]

        for token in forged:
            answer = await http.get("/api/me", headers={"Authorization": f"Bearer {token}"})
            assert is_problem(answer, 401, "UNAUTHENTICATED")
        good = await http.get("/api/me", headers={"Authorization": f"Bearer {forge()}"})
        assert good.status_code == 200


class TestKeys:
    async def test_published_keys_verify_our_tokens(self, http: httpx.AsyncClient, mary: Person):
        """Other systems verify by the JWKS alone."""
        jwks = (await http.get("/.well-known/jwks.json")).json()
        keys = {each["kid"]: jwt.PyJWK(each) for each in jwks["keys"]}
        key = keys[jwt.get_unverified_header(mary.access_token)["kid"]]

        claims = jwt.decode(mary.access_token, key, ["EdDSA"], audience="scriptorium")

        assert claims["sub"] == mary.id
        assert all("d" not in each for each in jwks["keys"])

    async def test_rotation_is_picked_up_by_every_gateway(
        self, stack: Stack, http: httpx.AsyncClient, http2: httpx.AsyncClient, mary: Person
    ):
        """Old tokens stay good, new ones bear the new key, nobody is restarted."""
        folder = stack.data_dir / "keys"
        new = rotate_keys(folder)
        old_enough = time.time() - KEY_REST_S - 1
        os.utime(folder / f"{new}.pem", (old_enough, old_enough))

        async def known() -> bool:
            sets = [await each.get("/.well-known/jwks.json") for each in (http, http2)]
            return all(new in answer.text for answer in sets)

        await until(known, 10)
        percy = await Person.register(http, "Percy")

        assert jwt.get_unverified_header(percy.access_token)["kid"] == new
        assert (await mary.get("/api/me")).status_code == 200
        percy.http = http2
        assert (await percy.get("/api/me")).status_code == 200

    def test_a_key_rests_before_it_signs(self, tmp_path: Path):
        """Every verifier must know it before the first token bears it."""
        ring = KeyRing(tmp_path / "keys")
        first = ring.signing().id
        second = rotate_keys(tmp_path / "keys")
        ring.reload()

        assert ring.signing().id == first
        assert ring.find(second) is not None
        os.utime(tmp_path / "keys" / f"{second}.pem", (1, 1))
        fresh = KeyRing(tmp_path / "keys")
        assert fresh.signing().id == second

    def test_the_folder_is_closed_to_others_and_bad_files_are_skipped(self, tmp_path: Path):
        folder = tmp_path / "keys"
        ring = KeyRing(folder)
        (folder / "zzz.pem").write_text("nonsense")
        ring.reload()

        assert folder.stat().st_mode & 0o777 == 0o700
        assert all(f.stat().st_mode & 0o77 == 0 for f in folder.glob("*-*.pem"))
        assert [key["kid"] for key in ring.jwks()["keys"]] == [ring.signing().id]

    def test_a_deleted_key_verifies_no_more(self, tmp_path: Path):
        ring = KeyRing(tmp_path / "keys")
        tokens = AccessTokens(ring, issuer="i", audience="a", life_s=60)
        account = Account(id=some_id(), email="", display_name="x")
        gone = ring.signing().id
        now = datetime.now(UTC)
        token = tokens.issue(account, account.id, now)
        known = tokens.verify(token, gone)
        assert tokens.recall(token, now) == known
        assert tokens.recall(token, now + timedelta(minutes=2)) is None
        rotate_keys(tmp_path / "keys")
        (tmp_path / "keys" / f"{gone}.pem").unlink()
        ring.reload()

        assert tokens.recall(token, now) is None
        with pytest.raises(errors.Unauthenticated):
            tokens.verify(token, gone)
