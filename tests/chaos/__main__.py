"""`python -m tests.chaos`: the full form, on both databases and without a journal, as JSON."""

from __future__ import annotations

import json
import sys
import tempfile
import uuid
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import psycopg

from callgate.store.database import Database
from tests.chaos.calls import HITS, chaos
from tests.postgres import serving

CALLS, KILLS, ENOUGH, MOST = 300, 40, 20, 12
SUMMED = (
    "calls",
    "kills",
    "repeated",
    "lost",
    "in_doubt",
    "effects",
    "unsurfaced",
    "revocations",
)


def _fresh(kind: str, server: str, folder: Path) -> str | None:
    """Return the URL of a new store of a kind; None for calls without a journal."""
    if kind == "none":
        return None
    url = f"sqlite:///{folder}/journal.db"
    if kind == "postgresql":
        name = f"t{uuid.uuid4().hex}"
        with psycopg.connect(server, autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}".encode())
        url = f"{server.rpartition('/')[0]}/{name}"
    database = Database(url)
    database.upgrade()
    database.close()
    return url


def _runs(kind: str, server: str, folder: Path, seeds: int | None) -> dict[str, Any]:
    """Run seed after seed until every state was hit often enough, or as many as the other did."""
    total: Counter[str] = Counter()
    hits: Counter[str] = Counter()
    seed = 0
    while seed < (seeds or MOST) and (seeds or min(hits[state] for state in HITS) < ENOUGH):
        seed += 1
        own = folder / f"{kind}-{seed}"
        own.mkdir()
        report = chaos(_fresh(kind, server, own), own, seed=seed, calls=CALLS, kills=KILLS)
        total.update({name: report.get(name, 0) for name in SUMMED})
        hits.update(report["kills_hit"])
        sys.stderr.write(f"{kind} seed {seed}: {json.dumps(report)}\n")
    return {
        **{name: total[name] for name in SUMMED},
        "seeds": seed,
        "kills_hit": {state: hits[state] for state in HITS},
    }


def main() -> int:
    """Run all, print JSON, and return 1 where a promise was not kept."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        server_folder = folder / "server"
        server_folder.mkdir()
        with serving(server_folder) as server:
            kept = {kind: _runs(kind, server, folder, None) for kind in ("sqlite", "postgresql")}
            seeds = max(report["seeds"] for report in kept.values())
            without = _runs("none", server, folder, seeds)
    repeats = without["repeated"] / without["calls"]
    report: dict[str, Any] = {
        **{name: sum(one[name] for one in kept.values()) for name in SUMMED},
        "stores": kept,
        "without_journal": {**without, "share_repeated": round(repeats, 4)},
        "kept": all(map(_kept, kept.values())) and repeats >= 0.03,
    }
    sys.stdout.write(json.dumps(report, indent=1) + "\n")
    return int(not report["kept"])


def _kept(report: Mapping[str, Any]) -> bool:
    wrong = report["repeated"] or report["lost"] or report["unsurfaced"]
    return not wrong and all(hits >= ENOUGH for hits in report["kills_hit"].values())


if __name__ == "__main__":
    sys.exit(main())
