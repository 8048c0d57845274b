"""`callgate init`: a small project that works at once."""

from __future__ import annotations

from pathlib import Path

from callgate.errors import SettingsError
from callgate.settings import FILE

__all__ = ["write"]

SETTINGS = """\
# Settings of Callgate; `callgate doctor` checks them.
# What the model may call: "file.py:attribute" or "module:attribute".
tools = ["tools.py:TOOLS"]

# The model of `callgate run`: a local one needs no key (`callgate model pull` fetches it).
model = "local:qwen2.5-coder-1.5b"

# A model under a name of your own; `key` is the NAME of an environment variable.
# [models.fast]
# name = "openai:gpt-6-luna"
# key = "OPENAI_API_KEY"

# Bounds of one run.
[limits]
turns = 8
calls = 32
seconds = 300
"""

TOOLS = '''\
"""The tools of this project. A function becomes a contract: names, types, docstring, effect."""

from pathlib import Path

from callgate import tool

NOTES = Path(__file__).parent / "notes.txt"


@tool(effect="read")
def count_words(text: str) -> int:
    """Count the words of a text.

    Args:
        text: Any text.
    """
    return len(text.split())


@tool(effect="irreversible")
def add_note(note: str) -> str:
    """Write a note into notes.txt.

    Args:
        note: What to remember, in one line.
    """
    with NOTES.open("a", encoding="utf-8") as file:
        file.write(note + "\\n")
    return f"noted: {note}"


TOOLS = [count_words, add_note]
'''

README = """\
# My tools

    callgate tools list
    callgate call count_words '{"text": "three short words"}'
    callgate run "How many words has the sentence: the sky is blue"

`tools.py` holds the tools, `callgate.toml` the settings; `callgate doctor` says what is missing.
"""


def write(folder: Path) -> tuple[Path, ...]:
    """Write the files of a new project and return their paths.

    Args:
        folder: Made when missing.

    Raises:
        SettingsError: One of the files is there already; nothing is written then.
    """
    contents = {FILE: SETTINGS, "tools.py": TOOLS, "README.md": README}
    if existing := [name for name in contents if (folder / name).exists()]:
        raise SettingsError(
            f"{folder} has {' and '.join(existing)} already; choose another folder: "
            "callgate init FOLDER",
            details={"got": existing},
        )
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in contents.items():
        (folder / name).write_text(content, encoding="utf-8")
    return tuple(folder / name for name in contents)
