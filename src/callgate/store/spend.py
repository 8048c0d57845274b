"""Accounts of what calls cost, shared by processes."""

from __future__ import annotations

import logging
from decimal import Decimal
from typing import Any

from callgate.controls.account import Account
from callgate.errors import StoreError
from callgate.stages.guard import Allowances, Purse, Spans
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

    def purse(self, accounts: Allowances) -> Purse:
        """Return a purse over accounts; see `Spend.purse`."""
        return _SharedPurse(self._cells, accounts)


class _SharedPurse:
    __slots__ = ("_accounts", "_cells", "_names")

    def __init__(self, cells: Cells, accounts: Allowances) -> None:
        self._cells = cells
        self._accounts = accounts
        self._names = [_cell(name) for name, _ in accounts]

    async def reserve(self, amount: Decimal) -> Spans | str:
        def step(states: dict[str, Any], now: float) -> Spans | str:
            found = {name: _load(states, name) for name, _ in self._accounts}
            for name, allowance in self._accounts:
                if found[name].lacks(allowance, amount, now):
                    return name
            spans = tuple([found[name].reserve(amount) for name, _ in self._accounts])
            for name, account in found.items():
                states[_cell(name)] = account.dump()
            return spans

        try:
            return await self._cells.change(self._names, step)
        except StoreError as exc:
            _log.warning("Nothing that costs money is called: %s", exc.message)
            return self._accounts[0][0]

    async def settle(self, spans: Spans, reserved: Decimal, actual: Decimal) -> None:
        def step(states: dict[str, Any], now: float) -> None:
            for (name, _), span in zip(self._accounts, spans, strict=True):
                account = _load(states, name)
                account.settle(span, reserved, actual)
                states[_cell(name)] = account.dump()

        try:
            await self._cells.change(self._names, step)
        except StoreError as exc:
            _log.warning("What was reserved stays spent: %s", exc.message)


def _load(states: dict[str, Any], name: str) -> Account:
    state = states.get(_cell(name))
    return Account() if state is None else Account.load(state)


def _cell(name: str) -> str:
    return f"spend:{name}"
