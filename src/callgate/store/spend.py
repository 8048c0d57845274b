"""Accounts of what calls cost, shared by processes."""

from __future__ import annotations

import logging
from decimal import Decimal
from typing import Any

from callgate.controls.account import Account
from callgate.errors import StoreError
from callgate.stages.guard import Allowances, Held
from callgate.store.cells import Cells

__all__ = ["SharedSpend"]

_log = logging.getLogger("callgate")


class SharedSpend:
    """Implements `Spend` for many processes.

    While the database is out, nothing that costs money is paid: every account counts as empty.
    """

    def __init__(self, cells: Cells) -> None:
        """Keep where accounts are.

        Args:
            cells: Where the accounts are.
        """
        self._cells = cells

    async def reserve(self, accounts: Allowances, amount: Decimal) -> Held | str:
        """Reserve an amount on every account or on none; see `Spend.reserve`."""

        def step(states: dict[str, Any], now: float) -> Held | str:
            found = {name: _load(states, name) for name, _ in accounts}
            for name, allowance in accounts:
                if found[name].lacks(allowance, amount, now):
                    return name
            spans = tuple([found[name].reserve(amount) for name, _ in accounts])
            for name, account in found.items():
                states[_cell(name)] = account.dump()
            return Held(accounts=accounts, spans=spans, amount=amount)

        if not accounts:
            return Held(accounts=(), spans=(), amount=amount)
        try:
            return await self._cells.change([_cell(name) for name, _ in accounts], step)
        except StoreError as exc:
            _log.warning("Nothing that costs money is called: %s", exc.message)
            return accounts[0][0]

    async def settle(self, held: Held, actual: Decimal) -> None:
        """Put what a call did cost in the place of what was reserved; see `Spend.settle`."""
        if actual == held.amount or not held.accounts:
            return

        def step(states: dict[str, Any], now: float) -> None:
            for (name, _), span in zip(held.accounts, held.spans, strict=True):
                account = _load(states, name)
                account.settle(span, held.amount, actual)
                states[_cell(name)] = account.dump()

        try:
            await self._cells.change([_cell(name) for name, _ in held.accounts], step)
        except StoreError as exc:
            _log.warning("What was reserved stays spent: %s", exc.message)


def _load(states: dict[str, Any], name: str) -> Account:
    state = states.get(_cell(name))
    return Account() if state is None else Account.load(state)


def _cell(name: str) -> str:
    return f"spend:{name}"
