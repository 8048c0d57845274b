"""The JSON Schema subset each provider accepts: compiled, with a report of what is lost.

`compile_tools` compiles the tools of one request, a `Compiler` keeps what it compiled. Arguments
that a model writes are in the form of the compiled schema: `CompiledTool.restore` brings them
back to the form of the tool's own schema, which then judges them.
"""

from callgate.schema.dialects.compiler import (
    Compiled,
    CompiledSchema,
    CompiledTool,
    Compiler,
    Downgrade,
    compile_tools,
)
from callgate.schema.dialects.loss import Change, Loss
from callgate.schema.dialects.wires import WIRES, Dialect, Limits, Wire, wire_named

__all__ = [
    "WIRES",
    "Change",
    "Compiled",
    "CompiledSchema",
    "CompiledTool",
    "Compiler",
    "Dialect",
    "Downgrade",
    "Limits",
    "Loss",
    "Wire",
    "compile_tools",
    "wire_named",
]
