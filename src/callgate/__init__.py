"""Callgate: the tool layer between language models and the systems they act on.

The names here are the public core; `callgate.agents`, `callgate.testing` and `callgate.codecs` are
public modules beside it. Importing `callgate` loads no HTTP, SQL, server or model client.
"""

from callgate.errors import (
    CallError,
    CallgateError,
    DefinitionError,
    ToolFailedError,
    TransientError,
)
from callgate.gate import Gate, Session
from callgate.messages import Answer, CallPart, Message
from callgate.pipeline import Handler, Listener, Source, Stage, StageFactory
from callgate.tool import FunctionTool, tool
from callgate.types import (
    CallContext,
    Effect,
    Example,
    Limits,
    Pending,
    Principal,
    Status,
    Tool,
    ToolCall,
    ToolResult,
)

__all__ = [
    "Answer",
    "CallContext",
    "CallError",
    "CallPart",
    "CallgateError",
    "DefinitionError",
    "Effect",
    "Example",
    "FunctionTool",
    "Gate",
    "Handler",
    "Limits",
    "Listener",
    "Message",
    "Pending",
    "Principal",
    "Session",
    "Source",
    "Stage",
    "StageFactory",
    "Status",
    "Tool",
    "ToolCall",
    "ToolFailedError",
    "ToolResult",
    "TransientError",
    "__version__",
    "tool",
]

__version__ = "0.1.0"
