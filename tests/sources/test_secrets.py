"""Where secrets come from, and that they show themselves to nobody by accident."""

import copy
import pickle
from pathlib import Path

import pytest

from callgate.errors import SettingsError
from callgate.sources.secrets import (
    EnvironmentVault,
    FileVault,
    Secret,
    Secrets,
    Vault,
    forms_of,
    hide,
)
from callgate.types import ANYONE, Principal
from canaries import MARK, SecretPlace, canary

ANA = Principal(id="ana", tenant="acme")


def test_a_secret_shows_where_it_is_from_and_nothing_else() -> None:
    secret = Secret(canary("1"), place="env:KEY")
    shown = [repr(secret), str(secret), f"{secret}", f"{secret:>40}"]
    assert shown == ["Secret('env:KEY')"] * 4
    assert secret.reveal() == canary("1")


def test_a_secret_cannot_be_stored_or_copied() -> None:
    secret = Secret(canary("1"), place="env:KEY")
    for store in (pickle.dumps, copy.deepcopy):
        with pytest.raises(TypeError) as caught:
            store(secret)
        assert MARK not in str(caught.value)


def test_secrets_are_equal_by_their_text() -> None:
    one, same = Secret("a", place="env:A"), Secret("a", place="env:B")
    assert one == same
    assert hash(one) == hash(same)
    assert one != Secret("b", place="env:A")
    assert one != "a"


async def test_the_environment_and_files_are_read_by_scheme(
    tmp_path: Path, secret_place: SecretPlace
) -> None:
    secret_place(tmp_path / "token").write_text(canary("of a file") + "\r\n")
    secrets = Secrets.usual(tmp_path, {"KEY": canary("of the environment")})
    assert (await secrets.get("env:KEY")).reveal() == canary("of the environment")
    assert (await secrets.get("file:token")).reveal() == canary("of a file")


async def test_each_principal_has_a_secret_of_its_own(
    tmp_path: Path, secret_place: SecretPlace
) -> None:
    (tmp_path / "acme").mkdir()
    secret_place(tmp_path / "acme" / "ana").write_text(canary("of ana"))
    secrets = Secrets.usual(tmp_path, {"TOKEN_ana": "variable of ana", "TOKEN_": "nobody's"})
    assert (await secrets.get("file:{tenant}/{principal}", ANA)).reveal() == canary("of ana")
    assert (await secrets.get("env:TOKEN_{principal}", ANA)).reveal() == "variable of ana"


@pytest.mark.parametrize("who", ["..", "../acme", "a/b", "", ".hidden", "a\0b", "a b", "x" * 200])
async def test_a_principal_that_is_no_plain_name_has_no_file(tmp_path: Path, who: str) -> None:
    (tmp_path / "acme").mkdir()
    (tmp_path / "acme" / "token").write_text("another's")
    secrets = Secrets.usual(tmp_path, {"TOKEN_": "nobody's"})
    for place in ("file:{principal}/acme/token", "file:{principal}", "env:TOKEN_{principal}"):
        with pytest.raises(SettingsError) as caught:
            await secrets.get(place, Principal(id=who))
        assert caught.value.message == (
            f"{place}: there is no secret for this principal; set it where the settings say it is"
        )


@pytest.mark.parametrize("place", ["env:GONE", "file:gone", "env:EMPTY", "file:binary"])
async def test_a_secret_that_is_not_there_is_told_by_its_place(tmp_path: Path, place: str) -> None:
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    with pytest.raises(SettingsError) as caught:
        await Secrets.usual(tmp_path, {"EMPTY": ""}).get(place)
    assert caught.value.message.startswith(f"{place}: there is no secret; set it")


@pytest.mark.parametrize("place", ["vault:x", "sk-secret-text"])
async def test_a_scheme_that_nobody_keeps_is_told_without_the_rest(place: str) -> None:
    with pytest.raises(SettingsError) as caught:
        await Secrets({"env": EnvironmentVault({})}, group="callgate.no_such_group").get(place)
    assert "no scheme of secrets; known are env" in caught.value.message
    assert "secret-text" not in caught.value.message


class LaterVault:
    """A vault that answers later, as one on the network does."""

    async def get(self, name: str, principal: Principal, /) -> str | None:
        return f"{name} of {principal.id}"


async def test_a_plug_in_keeps_a_scheme_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    class Found:
        def load(self) -> type[LaterVault]:
            return LaterVault

    def entry_points(*, group: str, name: str) -> list[Found]:
        return [Found()] if (group, name) == ("callgate.secrets", "later") else []

    monkeypatch.setattr("callgate.sources.secrets.entry_points", entry_points)
    secrets = Secrets({})
    assert (await secrets.get("later:key", ANA)).reveal() == "key of ana"
    vault: Vault = LaterVault()
    assert vault is not None


def test_every_spelling_of_a_secret_is_hidden_in_answers() -> None:
    forms = forms_of('ab/cd"ef', "short")
    said = b'ab/cd"ef ab\\/cd"ef ab/cd\\"ef ab%2Fcd%22ef YWIvY2QiZWY= short'
    assert hide(said, forms) == b"[secret] [secret] [secret] [secret] [secret] short"


def test_a_file_of_another_folder_can_be_named_by_an_operator(tmp_path: Path) -> None:
    (tmp_path / "here").mkdir()
    (tmp_path / "token").write_text("outside")
    assert FileVault(tmp_path / "here").get(str(tmp_path / "token"), ANYONE) == "outside"
