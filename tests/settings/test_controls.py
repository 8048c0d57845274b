"""The table `[controls]`."""

from decimal import Decimal
from pathlib import Path

import pytest

from callgate.controls import Allowance, Alternative, BackendRules, BreakerRules, Controls, Rate
from callgate.errors import SettingsError
from callgate.settings import load

FULL = """
[controls]
repeats = 5
breaker = { failures = 4, pause = 20 }
principal = { calls = 60, seconds = 30 }
tenant = { calls = 10.5, burst = 20 }
principal_spend = { amount = "2.50", seconds = 3600 }
tenant_spend = { amount = 100 }

[controls.breakers.crm]
share = 0.25
least = 10
window = 15
probes = 2

[controls.backends.crm]
rate = { calls = 10 }
concurrency = 4
queue = 2

[controls.backends.mail]

[controls.backends.ledger]
concurrency = 2
shared = true
[controls.fallbacks]
search = ["lookup", { tool = "archive", arguments = { q = "query" } }]
lookup = "archive"

[store]
url = "sqlite:///calls.db"
"""


def _load(folder: Path, text: str) -> Controls:
    file = folder / "callgate.toml"
    file.write_text(text, encoding="utf-8")
    return load({}, file=file).controls


def test_a_full_table_gives_every_control(tmp_path: Path) -> None:
    assert _load(tmp_path, FULL) == Controls(
        repeats=5,
        breaker=BreakerRules(failures=4, pause=20.0),
        breakers={"crm": BreakerRules(share=0.25, least=10, window=15.0, probes=2)},
        principal=Rate(calls=60.0, seconds=30.0),
        tenant=Rate(calls=10.5, burst=20.0),
        principal_spend=Allowance(amount=Decimal("2.50"), seconds=3600.0),
        tenant_spend=Allowance(amount=Decimal(100)),
        backends={
            "crm": BackendRules(rate=Rate(calls=10.0), concurrency=4, queue=2.0),
            "mail": BackendRules(),
            "ledger": BackendRules(concurrency=2, shared=True),
        },
        fallbacks={
            "search": (
                Alternative(tool="lookup"),
                Alternative(tool="archive", arguments={"q": "query"}),
            ),
            "lookup": (Alternative(tool="archive"),),
        },
    )


def test_without_a_table_nothing_is_controlled(tmp_path: Path) -> None:
    assert _load(tmp_path, "") == Controls()


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (
            "backends.crm = { concurrency = 2, shared = true }",
            "controls.backends.crm.shared: got true; allowed is false without a store: set url in",
        ),
        ("principle = {}", "controls.principle: got an unknown key"),
        ("principal = {}", "controls.principal.calls: got nothing; allowed is a number above 0"),
        ("principal = { calls = 0 }", "controls.principal.calls: got 0; allowed is a number above"),
        ("principal = { calls = 1, each = 2 }", "controls.principal.each: got an unknown key"),
        ("tenant_spend = {}", "controls.tenant_spend.amount: got nothing; allowed is US dollars"),
        ("breaker = { share = 2 }", "controls.breaker.share: got 2; allowed is a share above 0"),
        (
            "backends.x = { concurrency = 0 }",
            "controls.backends.x.concurrency: got 0; allowed is a",
        ),
        ("backends.x = { rate = 3 }", "controls.backends.x.rate: got 3; allowed is a table"),
        ("fallbacks.x = [1]", "controls.fallbacks.x: got [1]; allowed is tools, such as"),
        ('fallbacks.x = [{ tol = "y" }]', "controls.fallbacks.x: got [{'tol': 'y'}]; allowed is"),
    ],
)
def test_a_mistake_is_named_with_what_is_allowed(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(SettingsError) as caught:
        _load(tmp_path, f"[controls]\n{text}\n")
    assert told in caught.value.message


def test_what_was_counted_matters_as_long_as_the_longest_of_the_controls(tmp_path: Path) -> None:
    assert Controls().memory == 0.0
    assert _load(tmp_path, FULL).memory == 86_400.0  # the tenant's spend, by default of a day
    assert Controls(principal=Rate(calls=2, seconds=100.0)).memory == 100.0
    assert Controls(breaker=BreakerRules(pause=50.0)).memory == 50.0
