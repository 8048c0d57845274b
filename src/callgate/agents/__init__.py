"""Our own agent: a model and a session, from a question to its answer.

Importing this package loads neither an HTTP client nor a local runtime.
"""

from callgate.agents.budget import Budget, Reason
from callgate.agents.leg import Options, Run
from callgate.agents.loop import RunEvent, resume, run, run_blocking, stream
from callgate.agents.runlog import RunLog
from callgate.agents.runstate import RunStatus

__all__ = [
    "Budget",
    "Options",
    "Reason",
    "Run",
    "RunEvent",
    "RunLog",
    "RunStatus",
    "resume",
    "run",
    "run_blocking",
    "stream",
]
