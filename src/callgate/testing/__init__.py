"""Doubles for the edges of Callgate: the same ones its own tests use.

`FakeSource` stands for any source, `ScriptedModel` for a language model, `FakeClock` for time,
and `Captured` is a listener that keeps what it sees.
"""

from __future__ import annotations

from callgate.testing.clock import FakeClock
from callgate.testing.events import Captured
from callgate.testing.model import ScriptedModel, calls, says
from callgate.testing.source import FakeSource

__all__ = ["Captured", "FakeClock", "FakeSource", "ScriptedModel", "calls", "says"]
