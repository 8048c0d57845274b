"""The stages of the call path; this file holds their order.

    record( resolve( validate( guard( order( retry( admit( deadline( bound( source.call

- `record` is outermost, so that refused and unknown calls are recorded too.
- `resolve` hands a call to its tool's own stack: `record` and `resolve` are composed once per
  surface, everything behind them once per tool.
- `validate` comes before whatever judges arguments, so that all of them judge the same bytes.
- `guard` is the last stage of admission; `order` is the barrier between admission, which runs in
  the model's order, and execution.
- `retry` wraps `admit`, so that no slot is held while it waits, and `deadline`, so that attempts
  share the time of the call.
- `bound` is innermost: everything above sees results, never a source's exceptions.
"""

from __future__ import annotations

__all__ = ["ORDER"]

ORDER = (
    "record",
    "resolve",
    "validate",
    "guard",
    "order",
    "retry",
    "admit",
    "deadline",
    "bound",
)
"""The names of the stages, outermost first; `gate.Gate` composes them in this order."""
