"""In which style a model's outputs are written: chosen from one look at them, never at verdicts."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from itertools import chain
from pathlib import Path
from typing import Any

from callgate.errors import SettingsError
from callgate.evals.benchmarks.bfcl.check import is_call_format
from callgate.evals.benchmarks.bfcl.decode import DECODERS, NATIVE, TEXT, DecodeError, decode
from callgate.evals.benchmarks.bfcl.items import read_outputs
from callgate.evals.benchmarks.bfcl.kinds import Edition, Language
from callgate.schema.values import is_array

__all__ = ["choose_decoders"]

_WORTH = 0.005
"""The share of a model's outputs that another style has to read beyond a simpler one."""
_EVERYONE = "*"
_GUESSED = tuple(name for name in DECODERS if name not in (NATIVE, TEXT, "text-unquoted"))
"""Styles in the order of what they change; one that takes quotes away is never guessed."""


def choose_decoders(
    path: Path, named: Mapping[str, str], *, recorded: bool = False
) -> dict[str, str]:
    """Choose a decoder for every model with outputs that are not decoded.

    A model that ever answers in a structure has `native`. Others have `text`, the standard, unless
    another style reads calls in clearly more of their outputs.

    Args:
        path: The outputs.
        named: Names by model, `*` for every model that is not named.
        recorded: Whether recorded outputs count where decoded ones stand beside them.

    Raises:
        EvaluationDataError: The file cannot be read or is not of its form.
        SettingsError: There is no decoder of a name.
    """
    if unknown := sorted(set(named.values()) - set(DECODERS)):
        raise SettingsError(
            f"There is no decoder {unknown[0]!r}; there are: {', '.join(DECODERS)}."
        )
    outputs = read_outputs(path, recorded=recorded)
    first = next(outputs, None)
    if first is None or all(output.is_decoded for output in first[1].values()):
        return {}
    looks: defaultdict[str, _Look] = defaultdict(_Look)
    for (category, _), by_model in chain([first], outputs):
        for model, output in by_model.items():
            look = looks[model]
            if model not in named and _EVERYONE not in named:
                look.add(output.raw, Language.of(category))
    return {
        model: named.get(model) or named.get(_EVERYONE) or look.style()
        for model, look in looks.items()
    }


class _Look:
    """What was seen of one model's outputs."""

    def __init__(self) -> None:
        self._structured = False
        self._texts = 0
        self._read: Counter[str] = Counter()

    def add(self, raw: Any, language: Language) -> None:
        """Look at one output; Java and JavaScript say nothing of the style."""
        self._structured = self._structured or is_array(raw)
        if self._structured or not isinstance(raw, str) or language is not Language.PYTHON:
            return
        self._texts += 1
        # What the standard reads the others need not be tried on: they are compared by the rest.
        if not _is_call(TEXT, raw):
            self._read.update(name for name in _GUESSED if _is_call(name, raw))

    def style(self) -> str:
        """Return the simplest decoder that reads about as much as any; they stand in that order."""
        if self._structured:
            return NATIVE
        chosen = TEXT
        for name in _GUESSED:
            if self._read[name] - self._read[chosen] > _WORTH * self._texts:
                chosen = name
        return chosen


def _is_call(name: str, raw: str) -> bool:
    try:
        calls = decode(name, raw, language=Language.PYTHON, edition=Edition.V1)
    except DecodeError:
        return False
    return bool(calls) and is_call_format(calls, Edition.V1)
