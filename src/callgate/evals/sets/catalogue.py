"""The public homes of benchmarks' data; none of the data is part of Callgate.

A piece is a file as its home gives it. Its address holds a version or a commit, so that it is the
same for everybody. Where the SHA-256 is known to us it stands here; where it is not, the first
fetch writes it into a lock file and every later one is held to that.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TypeAlias

from callgate.errors import EvaluationDataError
from callgate.evals.sets import forms

__all__ = ["CATALOGUE", "DataSet", "Make", "Piece", "find"]

Make: TypeAlias = Callable[[Mapping[str, Path], Path], None]
"""Writes the files of a data set into a folder, from its pieces by name.

Raises `EvaluationDataError` where a piece is not of the form it had when this was written.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """A file of a public home.

    Attributes:
        file: Its name in the folder of downloads.
        source: An address, or a pinned requirement whose wheel is the piece.
        sha256: Hash of the file; None where it is not known before the first fetch.
        size: Bytes; None where they are not known.
    """

    file: str
    source: str
    sha256: str | None = None
    size: int | None = None

    @property
    def is_wheel(self) -> bool:
        """Whether it comes from the package index."""
        return "://" not in self.source


@dataclass(frozen=True, slots=True, kw_only=True)
class DataSet:
    """Data of a benchmark.

    Attributes:
        name: Our name of it.
        about: What it is, in a line.
        home: Where it lives.
        licence: The licence its home names.
        megabytes: Size of what is downloaded, about.
        pieces: What is downloaded.
        files: What is made of it, of the form that `callgate eval score` reads.
        make: Makes them.
        use: The command that reads them, with `{folder}` for the folder they are in.
    """

    name: str
    about: str
    home: str
    licence: str
    megabytes: float
    pieces: tuple[Piece, ...]
    files: tuple[str, ...]
    make: Make
    use: str


def find(name: str) -> DataSet:
    """Return the data set of a name.

    Raises:
        EvaluationDataError: There is none; the message lists those there are.
    """
    try:
        return CATALOGUE[name]
    except KeyError:
        raise EvaluationDataError(
            f"No data set is called {name!r}; there are {', '.join(CATALOGUE)}."
        ) from None


def _github(repository: str, commit: str, folder: str, *files: str) -> tuple[Piece, ...]:
    address = f"https://raw.githubusercontent.com/{repository}/{commit}/{folder}"
    stem = repository.partition("/")[2].lower()
    return tuple(
        Piece(file=f"{stem}-{commit[:12]}-{file}", source=f"{address}/{file}") for file in files
    )


_NESTFUL = Piece(
    file="nestful_wrapper-0.1.7-py3-none-any.whl",
    source="nestful-wrapper==0.1.7",
    sha256="7e7b34b0491d6fb26e9670d6fca93f39a7cc9475e25962d39633889a04e26fe4",
    size=13_950_398,
)
_TAU_BENCH = ("sierra-research/tau-bench", "7362a1708d720a4d697d042f21fd8637ea144c3b")


_SETS = (
    DataSet(
        name="bfcl-v4",
        about="BFCL v4: 3,641 single-turn and 600 multi-turn items, and their environments",
        home="bfcl-eval 2026.3.23 on PyPI",
        licence="Apache-2.0",
        megabytes=1.9,
        pieces=(
            Piece(
                file="bfcl_eval-2026.3.23-py3-none-any.whl",
                source="bfcl-eval==2026.3.23",
                sha256="3bb6dfa5f0c68ad403c9ec50b00db2bb3b4cc9b38ab1ff33f48fe30d853d3a0a",
                size=1_925_664,
            ),
        ),
        files=(forms.BFCL, forms.BFCL_TURNS),
        make=forms.bfcl_v4,
        use=f"callgate eval score bfcl --questions {{folder}}/{forms.BFCL} --outputs OUTPUTS",
    ),
    DataSet(
        name="complexfuncbench",
        about="ComplexFuncBench: 1,000 samples of nested calls with recorded responses",
        home="nestful-wrapper 0.1.7 on PyPI",
        licence="Apache-2.0",
        megabytes=14.0,
        pieces=(_NESTFUL,),
        files=(forms.COMPLEX, forms.COMPLEX_TOOLS),
        make=forms.complexfuncbench,
        use=f"callgate eval score nested --data {{folder}}/{forms.COMPLEX}",
    ),
    DataSet(
        name="nestful",
        about="NESTFUL v1: 300 samples of nested calls",
        home="nestful-wrapper 0.1.7 on PyPI",
        licence="Apache-2.0",
        megabytes=14.0,
        pieces=(_NESTFUL,),
        files=(forms.NESTFUL, forms.NESTFUL_TOOLS),
        make=forms.nestful,
        use=f"callgate eval score nested --data {{folder}}/{forms.NESTFUL}",
    ),
    DataSet(
        name="seal-tools",
        about="Seal-Tools: 4,076 tools, 2,054 queries of dev and test with their calls",
        home="https://github.com/fairyshine/Seal-Tools",
        licence="Apache-2.0",
        megabytes=4.2,
        pieces=_github(
            "fairyshine/Seal-Tools",
            "ce753ecd60ed08dd376984035de531ab8421f1c6",
            "Seal-Tools_Dataset",
            "tool.jsonl",
            *(f"{split}.jsonl" for split in forms.SEAL_SPLITS),
        ),
        files=(forms.SEAL, forms.SEAL_TOOLS),
        make=forms.seal_tools,
        use=f"callgate eval score seal-tools --queries {{folder}}/{forms.SEAL}",
    ),
    DataSet(
        name="toolbench",
        about="ToolBench, StableToolBench's solvable set: 765 queries over 2,479 real endpoints",
        home="https://github.com/THUNLP-MT/StableToolBench",
        licence="Apache-2.0",
        megabytes=6.0,
        pieces=_github(
            "THUNLP-MT/StableToolBench",
            "08ea700e07a53cfaf31fd7b222e823ff651619a4",
            "solvable_queries/test_instruction",
            *(f"{group}.json" for group in forms.TOOLBENCH_GROUPS),
        ),
        files=(forms.TOOLBENCH, forms.TOOLBENCH_TOOLS),
        make=forms.toolbench,
        use=(
            f"callgate eval score retrieval --tools {{folder}}/{forms.TOOLBENCH_TOOLS} "
            f"--queries {{folder}}/{forms.TOOLBENCH}"
        ),
    ),
    DataSet(
        name="api-bank",
        about="API-Bank: the next call of recorded dialogues, levels 1 and 2",
        home="https://github.com/AlibabaResearch/DAMO-ConvAI/tree/main/api-bank",
        licence="MIT",
        megabytes=1.1,
        pieces=_github(
            "AlibabaResearch/DAMO-ConvAI",
            "5c38bb7d1d78c7a7f12aa415d620d6305dbe2078",
            "api-bank/json_test_data",
            *(f"level-{level}-api.json" for level in forms.API_BANK_LEVELS),
        ),
        files=(forms.API_BANK,),
        make=forms.api_bank,
        use=f"callgate eval score api-bank --items {{folder}}/{forms.API_BANK}",
    ),
    DataSet(
        name="tau-airline",
        about="tau-bench airline: 200 recorded conversations of one model, and their database",
        home="https://github.com/sierra-research/tau-bench",
        licence="MIT",
        megabytes=8.0,
        pieces=(
            *_github(*_TAU_BENCH, "historical_trajectories", "gpt-4o-airline.json"),
            *_github(
                *_TAU_BENCH,
                "tau_bench/envs/airline/data",
                *(f"{table}.json" for table in forms.TAU_TABLES),
            ),
        ),
        files=(forms.TAU, forms.TAU_DATABASE),
        make=forms.tau_airline,
        use=(
            f"callgate eval score tau-airline --trajectories {{folder}}/{forms.TAU} "
            f"--db {{folder}}/{forms.TAU_DATABASE}"
        ),
    ),
)

CATALOGUE: Mapping[str, DataSet] = MappingProxyType({one.name: one for one in _SETS})
