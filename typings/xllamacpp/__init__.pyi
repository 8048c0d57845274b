"""What callgate.agents.local uses of xllamacpp, which ships no types."""

from collections.abc import Callable, Mapping
from typing import Any

class CommonParamsModel:
    path: str

class CpuParams:
    n_threads: int

class CommonParams:
    model: CommonParamsModel
    cpuparams: CpuParams
    cpuparams_batch: CpuParams
    chat_template: str
    n_ctx: int
    n_predict: int
    n_parallel: int
    kv_unified: bool
    verbosity: int
    cache_ram_mib: int
    warmup: bool
    ui: bool
    endpoint_slots: bool

class Server:
    listening_address: str

    def __init__(self, params: CommonParams) -> None: ...
    def handle_completions(
        self,
        prompt: Mapping[str, Any],
        callback: Callable[[dict[str, Any]], bool] | None = None,
    ) -> dict[str, Any] | None: ...
