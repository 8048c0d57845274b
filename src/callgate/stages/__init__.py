"""The stages of the call path; this file holds their order.

    record( fallback( resolve( validate( recall( guard( approve( order( cache( journal( retry(
    breaker( admit( deadline( bound( source.call

- `record` is outermost, so that refused and unknown calls are recorded too.
- `fallback` sends a *new* call of another tool down the whole path, so it stands above `resolve`.
- `resolve` hands a call to its tool's own stack: `record`, `fallback` and `resolve` are composed
  once per surface, everything behind them once per tool.
- `validate` comes before whatever judges arguments, so that all of them judge the same bytes.
- `recall` comes before all that decides: what happened is told, whatever the rules are by now.
- `guard` comes before `approve`: no person is asked about a call that would be refused anyway.
- `approve` is the last stage of admission; `order` is the barrier between admission, which runs in
  the model's order, and execution.
- `cache` is behind the barrier, so that a read sees the effects before it in its turn.
- `journal` writes the intent once, above all attempts; `retry` repeats attempts under it.
- `retry` wraps `breaker`, so that an open circuit ends it; `admit`, so that no slot is held while
  it waits; and `deadline`, so that attempts share the time of the call.
- `breaker` wraps `admit`, and takes its refusals for no failure of the backend.
- `bound` is innermost: everything above sees results, never a source's exceptions.
"""

from __future__ import annotations

__all__ = ["ORDER"]

ORDER = (
    "record",
    "fallback",
    "resolve",
    "validate",
    "recall",
    "guard",
    "approve",
    "order",
    "cache",
    "journal",
    "retry",
    "breaker",
    "admit",
    "deadline",
    "bound",
)
"""The names of the stages, outermost first; `path.CallPath` composes them in this order."""
