"""Where a model behind HTTP is, and what it wants to see.

Needs the extra `models` (httpx2).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address

import httpx2

from callgate.agents.keys import Key, Secret
from callgate.agents.providers import Address, AwsVariables, KeyVariable
from callgate.agents.sigv4 import AwsKey, Credentials
from callgate.codecs import Codec, by_name
from callgate.errors import SettingsError

__all__ = ["Endpoint", "endpoint_of"]


def _usual_wire() -> Codec:
    return by_name("openai")


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """Which model at which address, and how it is spoken to.

    Attributes:
        url: Base URL, such as `https://api.openai.com/v1`.
        model: The model's name there.
        codec: The wire; defaults to OpenAI Chat Completions.
        key: The secret; None sends none.
        headers: What else the provider wants to see in every request; no secrets.

    Raises:
        SettingsError: The URL is not one, or holds a secret, a query or a fragment.
    """

    url: str
    model: str
    codec: Codec = field(default_factory=_usual_wire)
    key: Secret | None = None
    headers: Mapping[str, str] = field(default_factory=dict[str, str])

    def __post_init__(self) -> None:
        try:
            url = httpx2.URL(self.url)
        except httpx2.InvalidURL:
            raise SettingsError("The base URL of a model is not a URL.") from None
        if url.scheme not in ("http", "https") or not url.host:
            raise SettingsError("The base URL of a model starts with http:// or https://.")
        if url.userinfo or url.query or url.fragment:
            # Not repeated here: what stands there may be secret.
            raise SettingsError(
                f"The base URL of a model at {url.host} has more than scheme, host, port and "
                "path. A key belongs into an environment variable."
            )

    def address(self, *, stream: bool) -> httpx2.URL:
        """Return the URL of a request."""
        return httpx2.URL(self.url.rstrip("/") + self.codec.path(self.model, stream=stream))

    @property
    def is_here(self) -> bool:
        """Whether it is on this machine."""
        host = httpx2.URL(self.url).host
        if host == "localhost":
            return True
        try:
            return ip_address(host).is_loopback
        except ValueError:
            return False


def endpoint_of(place: Address, variables: Mapping[str, str]) -> Endpoint:
    """Return the endpoint of an address, with its key.

    Args:
        place: The address.
        variables: Environment variables; keys are read here and nowhere else.

    Raises:
        SettingsError: The key is not set, or the URL is not one.
    """
    key: Secret | None = None
    if isinstance(place.key, AwsVariables):
        key = _aws(place.name, place.key, variables)
    elif place.key is not None:
        key = _key(place.name, place.key, variables)
    return Endpoint(
        url=place.url, model=place.model, codec=place.codec, key=key, headers=place.headers
    )


def _key(model: str, wanted: KeyVariable, variables: Mapping[str, str]) -> Secret:
    key = _set_key(wanted, variables)
    if key is None:
        raise _unset(model, f"variable {' or '.join(wanted.names)}", wanted.names)
    return key


def _set_key(wanted: KeyVariable, variables: Mapping[str, str]) -> Secret | None:
    for name in wanted.names:
        if value := _value(name, variables):
            return Key(value, source=name, header=wanted.header, scheme=wanted.scheme)
    return None


def _aws(model: str, wanted: AwsVariables, variables: Mapping[str, str]) -> Secret:
    if key := _set_key(wanted.bearer, variables):
        return key
    credentials = Credentials(
        id=_value("AWS_ACCESS_KEY_ID", variables),
        secret=_value("AWS_SECRET_ACCESS_KEY", variables),
        token=_value("AWS_SESSION_TOKEN", variables),
        region=wanted.region,
        service=wanted.service,
    )
    names = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
    if not credentials.id or not credentials.secret:
        raise _unset(model, f"variables {' and '.join(names)}, or {wanted.bearer.names[0]}", names)
    return AwsKey(credentials, source="/".join(names))


def _value(name: str, variables: Mapping[str, str]) -> str:
    return variables.get(name, "").strip()


def _unset(model: str, wanted: str, names: tuple[str, ...]) -> SettingsError:
    return SettingsError(
        f"{model} needs a key: set the environment {wanted}.",
        details={"model": model, "key": names[0] if len(names) == 1 else list(names)},
    )
