import sys
from pathlib import Path

from tests.cli.conftest import Command

SERVER = (sys.executable, "-I", str(Path(__file__).parents[1] / "bench/mcp_server.py"), "1")


def test_an_mcp_server_is_written_into_the_settings_and_its_tools_are_called(
    callgate: Command, project: Path
) -> None:
    added = callgate("add", "mcp", "sums", "--accept-hints", "--json", "--", *SERVER)
    assert added.code == 0, added.out
    (tool,) = added.json["tools"]
    assert (tool["name"], tool["effect"]) == ("add_0", "irreversible")
    assert added.json["tokens"]["total"] == tool["tokens"] > 0
    assert added.json["lint"]["tools"] == 1
    assert 'kind = "mcp"' in (project / "callgate.toml").read_text()
    called = callgate("call", "add_0", '{"a": 2, "b": 3}')
    assert (called.code, called.out.strip().splitlines()[-1]) == (0, '{"result":5}')


def test_a_server_that_does_not_start_leaves_the_settings_as_they_were(
    callgate: Command, project: Path
) -> None:
    before = sorted(project.iterdir())
    options = ("--env", "KEY=env:KEY", "--prefix", "x__")
    ended = callgate("add", "mcp", "none", *options, "--json", "--", "callgate-no-such-program")
    assert ended.code != 0
    assert sorted(project.iterdir()) == before
    bad = callgate("add", "mcp", "none", "https://x.example/mcp", "--header", "nothing", "--json")
    assert "--header: write NAME=PLACE" in bad.out


def test_a_server_is_started_once_to_be_added(callgate: Command, project: Path) -> None:
    starts = project / "starts"
    code = f"import sys; open({str(starts)!r}, 'a').write('.'); sys.argv[1:] = ['1']\n"
    server = project / "server.py"
    server.write_text(code + Path(SERVER[2]).read_text())
    assert callgate("add", "mcp", "sums", "--", sys.executable, "-I", str(server)).code == 0
    assert starts.read_text() == "."
