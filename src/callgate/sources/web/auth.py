"""How requests prove who asks: keys, passwords and tokens that the model never sees."""

from __future__ import annotations

import asyncio
import base64
import time
from collections import OrderedDict
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from urllib.parse import quote, urlencode

import httpx2
import orjson

from callgate.errors import CallError, SettingsError, ToolFailedError, TransientError
from callgate.schema.values import is_object
from callgate.settings.sources.web import AuthSettings
from callgate.sources.secrets import Secret, Secrets, forms_of
from callgate.sources.web.answers import plain
from callgate.sources.web.client import ADDRESS, Answer, Outgoing, Proof, WebClient
from callgate.types import Principal

__all__ = ["Prover"]

_KEPT = 1024
"""Tokens kept at once; the one not used for longest goes."""
_EARLY = 30.0
"""Seconds before its end from which a token is no longer used."""


@dataclass(frozen=True, slots=True)
class _Mark:
    """One secret and where it is written."""

    place: str
    name: str
    before: str
    secret: Secret
    user: Secret | None = None

    def text(self) -> str:
        if self.user is None:
            return f"{self.before}{self.secret.reveal()}"
        pair = f"{self.user.reveal()}:{self.secret.reveal()}".encode()
        return f"{self.before}{base64.b64encode(pair).decode()}"


class _Marks(Proof):
    def __init__(self, marks: Sequence[_Mark]) -> None:
        self._marks = marks
        texts = [mark.secret.reveal() for mark in marks]
        texts += [mark.text().removeprefix(mark.before) for mark in marks if mark.user is not None]
        self._forms = forms_of(*texts)

    def forms(self) -> Iterable[bytes]:
        return self._forms

    def auth_flow(
        self, request: httpx2.Request
    ) -> Generator[httpx2.Request, httpx2.Response, None]:
        for mark in self._marks:
            match mark.place:
                case "query":
                    request.extensions = {**request.extensions, ADDRESS: self._address}
                case "cookie":
                    held = request.headers.get("cookie")
                    pair = f"{mark.name}={quote(mark.text(), safe='')}"
                    request.headers["cookie"] = f"{held}; {pair}" if held else pair
                case _:
                    request.headers[mark.name] = mark.text()
        yield request

    def _address(self, url: httpx2.URL) -> httpx2.URL:
        # What is there stays as it was written: to parse and write it anew would change it.
        query = [
            f"{quote(mark.name, safe='')}={quote(mark.text(), safe='')}".encode()
            for mark in self._marks
            if mark.place == "query"
        ]
        return url.copy_with(query=b"&".join([*filter(None, [url.query]), *query]))


@dataclass(slots=True)
class _Token:
    """An access token of one scheme and principal, and the lock behind which it is fetched."""

    lock: asyncio.Lock
    secret: Secret | None = None
    until: float = 0.0
    refresh: Secret | None = None


class Prover:
    """Makes the proof for a request from the secrets of its principal."""

    def __init__(
        self,
        schemes: Mapping[str, AuthSettings],
        *,
        secrets: Secrets,
        client: WebClient,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        """Keep the schemes.

        Args:
            schemes: How to prove who asks, by name.
            secrets: Where the secrets are.
            client: Sends the requests for tokens.
            now: Seconds of a monotonic clock.
        """
        self._schemes = schemes
        self._secrets = secrets
        self._client = client
        self._now = now
        self._tokens: OrderedDict[tuple[str, str, str], _Token] = OrderedDict()

    async def prove(
        self, ways: Sequence[Sequence[str]], principal: Principal, tool: str
    ) -> Proof | None:
        """Return the proof for a call; None where none is needed.

        Args:
            ways: Names of schemes; each way has all schemes that it takes together.
            principal: On whose behalf.
            tool: The tool's name, for errors.

        Raises:
            ToolFailedError: No way is set up, or a secret is not there.
            TransientError: A token could not be fetched for a reason that may pass.
        """
        way = next((way for way in ways if all(name in self._schemes for name in way)), None)
        if way is None:
            wanted = " or ".join(" and ".join(way) for way in ways)
            raise ToolFailedError(
                f"{tool} needs to prove who asks, and the settings do not say how. "
                f"An operator can add `auth` for {wanted}."
            )
        if not way:
            return None
        try:
            return _Marks([await self._mark(name, principal) for name in way])
        except SettingsError as exc:
            raise ToolFailedError(f"{tool}: {exc.message}") from None

    def forget(self, ways: Sequence[Sequence[str]], principal: Principal) -> bool:
        """Drop the tokens that the service has just not accepted; whether there were any."""
        names = {name for way in ways for name in way}
        dropped = False
        for key, token in self._tokens.items():
            if key[0] in names and key[1:] in ((principal.tenant, principal.id), ("", "")):
                dropped = dropped or token.secret is not None
                token.secret = None
        return dropped

    async def _mark(self, name: str, principal: Principal) -> _Mark:
        scheme = self._schemes[name]
        if scheme.kind == "oauth2" and scheme.client_id is not None:
            return _Mark("header", "Authorization", "Bearer ", await self._token(name, principal))
        secret = await self._get(scheme.secret, principal)
        match scheme.kind:
            case "basic":
                user = await self._get(scheme.user, principal)
                return _Mark("header", "Authorization", "Basic ", secret, user)
            case "api_key":
                return _Mark(scheme.place, scheme.name, "", secret)
            case _:
                return _Mark("header", "Authorization", "Bearer ", secret)

    async def _get(self, place: str | None, principal: Principal) -> Secret:
        if not place:
            raise SettingsError("the settings name no secret for it")
        secret = await self._secrets.get(place, principal)
        text = secret.reveal()
        if not text.isascii() or not text.isprintable():
            raise SettingsError(f"{place} holds characters that no request can carry")
        return secret

    # --- tokens -----------------------------------------------------------------------------

    async def _token(self, name: str, principal: Principal) -> Secret:
        scheme = self._schemes[name]
        places = f"{scheme.client_id}{scheme.client_secret}{scheme.refresh_token}"
        own = "{principal}" in places or "{tenant}" in places
        key = (name, principal.tenant, principal.id) if own else (name, "", "")
        token = self._tokens.setdefault(key, _Token(asyncio.Lock()))
        self._tokens.move_to_end(key)
        if len(self._tokens) > _KEPT:
            self._tokens.popitem(last=False)
        async with token.lock:
            if token.secret is None or self._now() >= token.until:
                await self._fetch(name, scheme, token, principal)
            assert token.secret is not None
            return token.secret

    async def _fetch(
        self, name: str, scheme: AuthSettings, token: _Token, principal: Principal
    ) -> None:
        if scheme.token_url is None:
            raise SettingsError(f"{name} has no token_url")
        client = _Mark(
            "header",
            "Authorization",
            "Basic ",
            await self._quoted(scheme.client_secret, principal),
            await self._quoted(scheme.client_id, principal),
        )
        form = {"grant_type": "client_credentials"}
        proof = _Marks([client])
        if scheme.refresh_token is not None:
            refresh = token.refresh or await self._get(scheme.refresh_token, principal)
            form["grant_type"] = "refresh_token"
            proof = _Refresh([client], refresh)
        if scheme.scopes:
            form["scope"] = " ".join(scheme.scopes)
        answer = await self._ask(name, scheme.token_url, form, proof)
        data = _object(answer)
        secret = data.get("access_token")
        if answer.status != HTTPStatus.OK or not isinstance(secret, str) or not secret:
            told = plain(str(data.get("error_description") or data.get("error") or ""), 200)
            raise ToolFailedError(
                f"The token service of {name} gave no token: {answer.status} {told}".strip()
            )
        token.secret = Secret(secret, place=f"the token of {name}")
        lasts = data.get("expires_in")
        seconds = float(lasts) if isinstance(lasts, int | float) else 300.0
        token.until = self._now() + max(0.0, seconds - min(_EARLY, seconds / 2))
        if isinstance(renewed := data.get("refresh_token"), str) and renewed:
            token.refresh = Secret(renewed, place=f"the refresh token of {name}")

    async def _ask(self, name: str, url: str, form: Mapping[str, str], proof: Proof) -> Answer:
        self._client.reach.check(url)
        request = Outgoing(
            method="POST",
            url=url,
            headers=[
                ("accept", "application/json"),
                ("content-type", "application/x-www-form-urlencoded"),
            ],
            body=urlencode(form).encode(),
            timeout=30.0,
            name=f"the token service of {name}",
        )
        try:
            return await self._client.send(request, proof)
        except CallError as exc:
            # Whatever became of the request for a token: the operation itself was not sent.
            raise TransientError(exc.message) from None

    async def _quoted(self, place: str | None, principal: Principal) -> Secret:
        secret = await self._get(place, principal)
        return Secret(quote(secret.reveal(), safe=""), place=secret.place)


class _Refresh(_Marks):
    """Writes the refresh token into the form, too."""

    def __init__(self, marks: Sequence[_Mark], refresh: Secret) -> None:
        super().__init__(marks)
        self._refresh = refresh

    requires_request_body = True

    def auth_flow(
        self, request: httpx2.Request
    ) -> Generator[httpx2.Request, httpx2.Response, None]:
        form = (
            request.content + b"&" + urlencode({"refresh_token": self._refresh.reveal()}).encode()
        )
        headers = {
            name: value for name, value in request.headers.items() if name != "content-length"
        }
        whole = httpx2.Request(request.method, request.url, headers=headers, content=form)
        whole.extensions = request.extensions
        yield from super().auth_flow(whole)


def _object(answer: Answer) -> dict[str, object]:
    try:
        value = orjson.loads(answer.body)
    except ValueError:
        return {}
    return value if is_object(value) else {}
