"""Accounts, sessions, tokens and keys."""

import asyncio
import os
import time
import unicodedata
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast
from uuid import uuid4

import httpx
import jwt
import pytest
from pydantic import ValidationError

from libs import errors
from libs.postgres import Pool
from services.gateway.access.operators import Operators
from services.gateway.accounts.identity import Identity
from services.gateway.accounts.identity.access import AccessTokens
from services.gateway.accounts.identity.keys import KEY_REST_S, KeyRing, rotate_keys
from services.gateway.accounts.identity.model import Person as Account
from services.gateway.accounts.identity.model import digest
from services.gateway.accounts.identity.names import normal_email, require_email
from services.gateway.accounts.identity.passwords import Passwords
from services.gateway.accounts.identity.store import REFRESH_GRACE_S
from services.gateway.settings import Settings
from tests.gateway.support import PASSWORD, Person, is_problem, some_id
from tests.support.waiting import until
from tools.stack import Stack


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

    @pytest.mark.parametrize(
        ("given", "typed"),
        [
            ("mary@example.org", "MARY@Example.ORG"),
            ("caf\u00e9@example.org", "cafe\u0301@example.org"),
            ("cafe\u0301@example.org", "CAFE\u0301@example.org"),
            ("\u00c9LAN@example.org", "\u00e9lan@example.org"),
            ("mary@example.org", "\uff4d\uff41\uff52\uff59@example.org"),
            (".\u03a3\u03a3@example.org", ".\u03c3\u03c2@example.org"),
            ("\u212a@example.org", "k@example.org"),
            ("@b\u00fccher.example", "@XN--bcher-kva.example"),
            ("@bu\u0308cher.example", "@b\u00dccher.example."),
            ("@xn--e1afmkfd.example", "@\u043f\u0440\u0438\u043c\u0435\u0440.example"),
        ],
    )
    async def test_an_address_has_one_account_however_it_is_written(
        self, http: httpx.AsyncClient, given: str, typed: str
    ):
        """In any case, composed or not, in any width; RFC 8265 says which."""
        stem = uuid4().hex
        body = {"email": f"{stem}{given}", "password": PASSWORD, "displayName": "M"}
        made = await http.post("/api/auth/register", json=body)
        assert made.status_code == 201, made.text
        assert made.json()["user"]["email"] == body["email"]
        again = {**body, "email": f"{stem}{typed}"}

        assert is_problem(await http.post("/api/auth/register", json=again), 409, "EMAIL_TAKEN")
        del again["displayName"]
        login = await http.post("/api/auth/login", json=again)
        assert login.json()["user"] == made.json()["user"]

    async def test_look_alikes_are_other_accounts(self, http: httpx.AsyncClient):
        """What folds to the same letters is not the same address."""
        stem = uuid4().hex
        for each in ("ss", "\u00df"):
            body = {"email": f"{stem}{each}@example.org", "password": PASSWORD, "displayName": "S"}
            assert (await http.post("/api/auth/register", json=body)).status_code == 201

    @pytest.mark.parametrize(
        ("local", "domain"),
        [
            ("ma\u200bry", "example.org"),
            ("mary\u2060", "example.org"),
            ("\ufeffmary", "example.org"),
            ("ma\u00adry", "example.org"),
            ("ma\u200dry", "example.org"),
            ("ma\u202ery", "example.org"),
            ("mary\U000e0041", "example.org"),
            ("\u017fally", "example.org"),
            ("\ufb01ona", "example.org"),
            ("a\uff20b", "example.org"),
            ("m\u0430ry", "example.org"),
            ("mary", "exam\u200bple.org"),
            ("mary", "ex\u0430mple.org"),
            ("mary", "xn--exmple-4nf.org"),
            ("mary", "xn--zzzz.org"),
        ],
    )
    async def test_an_address_has_nothing_that_deceives(
        self, http: httpx.AsyncClient, local: str, domain: str
    ):
        """Nothing invisible, nothing that stands for other letters, no look-alikes in a word."""
        body = {"email": f"{local}@{domain}", "password": PASSWORD, "displayName": "M"}

        answer = await http.post("/api/auth/register", json=body)

        assert is_problem(answer, 400, "VALIDATION_FAILED")
        assert answer.json()["errors"][0]["field"] == "body.email"
        with pytest.raises(ValidationError) as refused:
            Settings(operators=body["email"])  # pyright: ignore[reportCallIssue, reportArgumentType]
        assert ("operators",) in [each["loc"] for each in refused.value.errors()]

    @pytest.mark.parametrize(
        "email",
        [
            "\u7530\u4e2d@\u65e5\u672c.example",
            "\u0430\u043d\u043d\u0430.smith+x@\u043f\u043e\u0447\u0442\u0430.example",
            "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645@example.org",
            "o'brien_{x}|y@under_score.example",
            "root@[127.0.0.1]",
            "root@localhost",
        ],
    )
    def test_addresses_of_the_world_are_addresses(self, email: str):
        assert require_email(email) == email

    async def test_an_account_from_before_is_found_however_its_domain_is_written(
        self, http: httpx.AsyncClient, pool: Pool
    ):
        """Its domain was kept in the letters that it was typed in, and makes no second account."""
        stem, user_id = uuid4().hex, uuid4()
        old = f"{stem}@b\u00fccher.example"
        hashed = Passwords()._hasher.hash(PASSWORD)  # pyright: ignore[reportPrivateUsage]
        await pool.execute(
            "INSERT INTO users (id, email, email_normal, display_name, password_hash)"
            " VALUES ($1, $2, $2, 'B', $3)",
            user_id,
            old,
            hashed,
        )
        typed = {"email": f"{stem}@xn--bcher-kva.example", "password": PASSWORD}

        again = await http.post("/api/auth/register", json=typed | {"displayName": "B"})
        assert is_problem(again, 409, "EMAIL_TAKEN")
        login = await http.post("/api/auth/login", json=typed)
        assert login.json()["user"]["id"] == str(user_id)

    async def test_an_account_from_before_is_found_by_its_own_address_and_password(
        self, http: httpx.AsyncClient, pool: Pool
    ):
        """Addresses and passwords were once kept as they were typed, twins included."""
        stem, password = uuid4().hex, "pa\u0308ssword enough"
        twins = [f"{stem}caf\u00e9@example.org", f"{stem}cafe\u0301@example.org"]
        hashed = Passwords()._hasher.hash(password)  # pyright: ignore[reportPrivateUsage]
        ids = [uuid4(), uuid4()]
        for user_id, email in zip(ids, twins, strict=True):
            await pool.execute(
                "INSERT INTO users (id, email, email_normal, display_name, password_hash)"
                " VALUES ($1, $2, $3, 'T', $4)",
                user_id,
                email,
                normal_email(email) if email is twins[0] else None,
                hashed,
            )

        for user_id, email in zip(ids, twins, strict=True):
            typed = {"email": email, "password": password}
            first = await http.post("/api/auth/login", json=typed)
            assert first.json()["user"]["id"] == str(user_id)
            other = {"email": email, "password": unicodedata.normalize("NFC", password)}
            assert (await http.post("/api/auth/login", json=other)).status_code == 200

    async def test_a_password_is_one_however_it_is_typed(self, http: httpx.AsyncClient):
        stem, password = uuid4().hex, "p\u00e4ssw\u00f6rt\u00a0geheim"
        body = {"email": f"{stem}@example.org", "password": password, "displayName": "M"}
        assert (await http.post("/api/auth/register", json=body)).status_code == 201
        del body["displayName"]

        for typed in (unicodedata.normalize("NFD", password), password.replace("\u00a0", " ")):
            answer = await http.post("/api/auth/login", json={**body, "password": typed})
            assert answer.status_code == 200
        upper = await http.post("/api/auth/login", json={**body, "password": password.upper()})
        assert is_problem(upper, 401, "UNAUTHENTICATED")

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


class TestOperators:
    """They are named by address in the settings, and compared as accounts are."""

    @pytest.mark.parametrize(
        ("listed", "email", "known"),
        [
            ("ops@example.org", "OPS@Example.org", True),
            ("caf\u00e9@example.org", "cafe\u0301@example.org", True),
            ("ops@example.org", "op\u017f@example.org", False),
            ("strasse@example.org", "stra\u00dfe@example.org", False),
            ("fine@example.org", "\ufb01ne@example.org", False),
            ("ops@b\u00fccher.example", "ops@xn--bcher-kva.example", True),
            ("ops@example.org", "o\u200bps@example.org", False),
            ("ops@example.org", "", False),
        ],
    )
    def test_look_alikes_are_none(self, listed: str, email: str, known: bool):
        assert Operators([listed]).known(Identity(some_id(), "", email)) is known


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

    async def later(self, pool: Pool, token: str) -> None:
        """Let it be as if a token had been spent a while ago."""
        past = timedelta(seconds=REFRESH_GRACE_S)
        await pool.execute(
            "UPDATE refresh_tokens SET spent_at = spent_at - $2::interval WHERE token_hash = $1",
            digest(token),
            past,
        )

    async def test_reuse_closes_the_whole_family(
        self, http: httpx.AsyncClient, mary: Person, pool: Pool
    ):
        """A second use, later, means that a thief has it, or had it before us: both lose it."""
        heir = (await self.refresh(http, mary.refresh_token)).json()["refreshToken"]
        await self.later(pool, mary.refresh_token)
        stolen = await self.refresh(http, mary.refresh_token)

        assert is_problem(stolen, 401, "REFRESH_TOKEN_REUSED")
        assert is_problem(await self.refresh(http, heir), 401, "UNAUTHENTICATED")

    async def test_an_ancestor_is_stolen_however_soon_it_comes(
        self, http: httpx.AsyncClient, mary: Person
    ):
        """Whoever has its successor has used that: the first one is nobody's any more."""
        heir = (await self.refresh(http, mary.refresh_token)).json()["refreshToken"]
        third = (await self.refresh(http, heir)).json()["refreshToken"]
        stolen = await self.refresh(http, mary.refresh_token)

        assert is_problem(stolen, 401, "REFRESH_TOKEN_REUSED")
        assert is_problem(await self.refresh(http, third), 401, "UNAUTHENTICATED")

    async def test_windows_that_refresh_at_once_all_go_on(
        self, http: httpx.AsyncClient, http2: httpx.AsyncClient, mary: Person, pool: Pool
    ):
        """Each has a pair that works, and whose reuse is noticed as any other's."""
        answers = await asyncio.gather(
            *(self.refresh(each, mary.refresh_token) for each in (http, http2) * 4)
        )
        heirs = [each.json()["refreshToken"] for each in answers]

        assert [each.status_code for each in answers] == [200] * 8
        assert len(set(heirs)) == 8
        next_ones = [await self.refresh(http, heir) for heir in heirs]
        assert [each.status_code for each in next_ones] == [200] * 8
        await self.later(pool, heirs[3])
        assert is_problem(await self.refresh(http2, heirs[3]), 401, "REFRESH_TOKEN_REUSED")
        last = next_ones[0].json()["refreshToken"]
        assert is_problem(await self.refresh(http, last), 401, "UNAUTHENTICATED")

    async def test_a_closed_session_is_not_opened_again_by_the_grace(
        self, http: httpx.AsyncClient, mary: Person
    ):
        await self.refresh(http, mary.refresh_token)
        await http.post("/api/auth/logout", json={"refreshToken": mary.refresh_token})

        again = await self.refresh(http, mary.refresh_token)
        assert is_problem(again, 401, "UNAUTHENTICATED")

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
