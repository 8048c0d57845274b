"""Every way a call, a model or the set-up can go wrong.

The tree; the code in brackets is stable, `*` marks what may be tried again:

    CallgateError
    ├── SetupError                      a developer must change the program or its settings
    │   ├── DefinitionError             [definition]          a tool is declared wrongly
    │   ├── SettingsError               [settings]            callgate.toml or the environment
    │   ├── MissingDependencyError      [missing_dependency]  an extra is not installed
    │   ├── ModelFileError              [model_file]          weights are absent or damaged
    │   ├── EvaluationDataError         [evaluation_data]     a file of an evaluation is damaged
    │   └── MisuseError                 [misuse]              wrong event loop, closed gate ...
    ├── CallError                       a call did not succeed; the model is told
    │   ├── RefusedError                nothing was executed
    │   │   ├── UnknownToolError        [unknown_tool]
    │   │   ├── ArgumentsError          [arguments]
    │   │   │   └── MalformedArgumentsError  [malformed_arguments]
    │   │   ├── DuplicateCallError      [duplicate_call]
    │   │   ├── RepeatedCallError       [repeated_call]
    │   │   ├── BusyError               [busy] *
    │   │   ├── BudgetError             [budget]
    │   │   ├── NotExecutedError        [not_executed]
    │   │   └── DeniedError             [denied]
    │   └── ExecutionError              an attempt was made
    │       ├── ToolFailedError         [tool_failed]         the tool says: final, adapt
    │       ├── ToolRaisedError         [tool_raised]         a defect of the tool
    │       ├── TransientError          [transient] *         may succeed later
    │       ├── DeadlineError           [deadline] *
    │       ├── ResultError             [result]              the result breaks its promise
    │       ├── CancelledCallError      [cancelled]
    │       ├── InDoubtError            [in_doubt]            an effect may have happened
    │       └── InternalError           [internal]            a defect of a stage
    ├── ModelError                      the language model did not answer
    │   ├── ModelUnavailableError       [model_unavailable] * network, time-out, 5xx
    │   ├── RateLimitedError            [rate_limited] *
    │   ├── ModelRequestError           [model_request]       the provider refuses the request
    │   └── ModelStreamError            [model_stream] *      the stream was cut or is not readable
    └── RunError                        [run]                 a run log cannot be continued

Inside the path a failure is a value: a stage or source puts a `CallError` into `ToolResult.error`.
A tool's author raises `ToolFailedError` (final) or `TransientError` (try again); the source turns
them into results. Callers who prefer exceptions use `ToolResult.unwrap()`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

__all__ = [
    "ArgumentsError",
    "BudgetError",
    "BusyError",
    "CallError",
    "CallgateError",
    "CancelledCallError",
    "DeadlineError",
    "DefinitionError",
    "DeniedError",
    "DuplicateCallError",
    "EvaluationDataError",
    "ExecutionError",
    "InDoubtError",
    "InternalError",
    "MalformedArgumentsError",
    "MissingDependencyError",
    "MisuseError",
    "ModelError",
    "ModelFileError",
    "ModelRequestError",
    "ModelStreamError",
    "ModelUnavailableError",
    "NotExecutedError",
    "RateLimitedError",
    "RefusedError",
    "RepeatedCallError",
    "ResultError",
    "RunError",
    "SettingsError",
    "SetupError",
    "ToolFailedError",
    "ToolRaisedError",
    "TransientError",
    "UnknownToolError",
    "call_error_from_json",
]

Details = Mapping[str, Any]
"""JSON values that a program may want to read; never secrets, never unbounded."""


class CallgateError(Exception):
    """The root of all errors of Callgate.

    Attributes:
        code: A stable name of the kind of failure; safe to compare and to store.
        retryable: Whether the same attempt may succeed later. Whether it *may be made* also
            depends on the tool's effect; the retry stage decides.
        message: What went wrong, where, and how to fix it.
        details: JSON values for programs, for example the problems of arguments.
    """

    code: ClassVar[str] = "error"
    retryable: ClassVar[bool] = False

    def __init__(self, message: str, *, details: Details | None = None) -> None:
        """Keep the message and the details.

        Args:
            message: What went wrong, where, and how to fix it.
            details: JSON values for programs; defaults to none.
        """
        super().__init__(message)
        self.message = message
        self.details: Details = details or {}


class SetupError(CallgateError):
    """A developer must change the program or its settings."""

    code = "setup"


class DefinitionError(SetupError):
    """A tool is declared in a way that cannot be kept as a contract."""

    code = "definition"


class SettingsError(SetupError):
    """A setting is absent, of the wrong type or unknown."""

    code = "settings"


class MissingDependencyError(SetupError):
    """An optional part was asked for and its packages are not installed."""

    code = "missing_dependency"


class ModelFileError(SetupError):
    """A model's weights are absent, incomplete or not the ones expected."""

    code = "model_file"


class EvaluationDataError(SetupError):
    """A file of an evaluation is absent, damaged, not the one expected or not of its form."""

    code = "evaluation_data"


class MisuseError(SetupError):
    """An object was used in a way that it cannot serve, such as from a second event loop."""

    code = "misuse"


class CallError(CallgateError):
    """A call did not succeed.

    Attributes:
        told: What the model is told to do next; appended to the message.
    """

    code = "call"
    told: ClassVar[str] = ""

    def tell(self) -> str:
        """Return the text a model reads: what happened, then what to do next."""
        return f"{self.message} {self.told}".strip()

    def to_json(self) -> dict[str, Any]:
        """Return a JSON object from which `call_error_from_json` makes an equal error."""
        return {"code": self.code, "message": self.message, "details": dict(self.details)}


class RefusedError(CallError):
    """The call was refused before anything was executed."""

    code = "refused"


class UnknownToolError(RefusedError):
    """No tool of this name is visible to the session."""

    code = "unknown_tool"
    told = "Use only the tools you were given, by their exact names."


class ArgumentsError(RefusedError):
    """The arguments do not satisfy the tool's schema and no safe repair does."""

    code = "arguments"
    told = "Correct the arguments and call the tool again."


class MalformedArgumentsError(ArgumentsError):
    """The arguments are not one JSON object that can be read without guessing."""

    code = "malformed_arguments"
    told = "Send the arguments again as one complete JSON object."


class DuplicateCallError(RefusedError):
    """Two calls of one turn carry the same id."""

    code = "duplicate_call"
    told = "Give every call of a turn an id of its own."


class RepeatedCallError(RefusedError):
    """The same call was made again and again with the same result."""

    code = "repeated_call"
    told = "Do not repeat this call: use the result you already have, or try something else."


class BusyError(RefusedError):
    """No slot for the tool became free in time."""

    code = "busy"
    retryable = True
    told = "Nothing was executed. Try again later or go on without it."


class BudgetError(RefusedError):
    """A budget of the run or session is used up."""

    code = "budget"
    told = "Nothing was executed. Answer with what you already know."


class NotExecutedError(RefusedError):
    """An earlier effect of the same turn did not succeed, so this one was not started."""

    code = "not_executed"
    told = "Nothing was executed. Look at the earlier result first, then decide again."


class DeniedError(RefusedError):
    """A policy or a person said no."""

    code = "denied"
    told = "Nothing was executed. Do not try to get around this."


class ExecutionError(CallError):
    """An attempt was made and did not end well."""

    code = "execution"


class ToolFailedError(ExecutionError):
    """The tool itself says that it cannot do this; trying again will not help."""

    code = "tool_failed"


class ToolRaisedError(ExecutionError):
    """The tool raised an error it does not declare: a defect of the tool."""

    code = "tool_raised"
    told = "This is a defect of the tool; other arguments may work."


class TransientError(ExecutionError):
    """The attempt failed for a reason that may pass.

    Attributes:
        retry_after: Seconds to wait before the next attempt, if the backend named them.
        acted: Whether the effect may already have happened. False (the default) states that the
            backend is known not to have acted.
    """

    code = "transient"
    retryable = True
    told = "This may pass; try again later or go on without it."

    def __init__(
        self,
        message: str,
        *,
        retry_after: float | None = None,
        acted: bool = False,
        details: Details | None = None,
    ) -> None:
        """Keep when to try again and whether the effect may have happened.

        Args:
            message: What went wrong.
            retry_after: Seconds to wait, if known; defaults to None.
            acted: Whether the effect may already have happened; defaults to False.
            details: JSON values for programs; defaults to none.
        """
        super().__init__(message, details=details)
        self.retry_after = retry_after
        self.acted = acted


class DeadlineError(ExecutionError):
    """The time for the call ran out while it was executing."""

    code = "deadline"
    retryable = True
    told = "It took too long and was stopped. Ask for less, or go on without it."


class ResultError(ExecutionError):
    """The tool returned something that breaks its own promise (`returns`, or JSON at all)."""

    code = "result"
    told = "This is a defect of the tool; go on without its result."


class CancelledCallError(ExecutionError):
    """The caller gave the call up while it was executing."""

    code = "cancelled"
    told = "The call was cancelled."


class InDoubtError(ExecutionError):
    """The effect may or may not have happened, and repeating it is not safe."""

    code = "in_doubt"
    told = "It is not known whether it was executed. Do not repeat it; report this."


class InternalError(ExecutionError):
    """A stage or source broke its contract: a defect of Callgate or of a plug-in."""

    code = "internal"
    told = "This is a defect of the system, not of your call; go on without this tool."


class ModelError(CallgateError):
    """The language model did not answer.

    Attributes:
        retry_after: Seconds to wait before the next request, if the provider named them.
    """

    code = "model"

    def __init__(
        self, message: str, *, retry_after: float | None = None, details: Details | None = None
    ) -> None:
        """Keep when the provider wants to be asked again.

        Args:
            message: What went wrong, with the provider's own words bounded.
            retry_after: Seconds to wait, if known; defaults to None.
            details: JSON values for programs; defaults to none.
        """
        super().__init__(message, details=details)
        self.retry_after = retry_after


class ModelUnavailableError(ModelError):
    """The provider could not be reached or answered with a server error."""

    code = "model_unavailable"
    retryable = True


class RateLimitedError(ModelError):
    """The provider asks to slow down."""

    code = "rate_limited"
    retryable = True


class ModelRequestError(ModelError):
    """The provider refuses the request itself: key, model name, schema, size."""

    code = "model_request"


class ModelStreamError(ModelError):
    """The stream ended in the middle or cannot be read."""

    code = "model_stream"
    retryable = True


class RunError(CallgateError):
    """A run log cannot be continued: damaged, ended, or of another surface."""

    code = "run"


def _leaves(kind: type[CallError]) -> Iterator[type[CallError]]:
    yield kind
    for child in kind.__subclasses__():
        yield from _leaves(child)


def call_error_from_json(data: Mapping[str, Any]) -> CallError:
    """Make the error that `CallError.to_json` described.

    Args:
        data: An object with `code`, `message` and optionally `details`.

    Returns:
        An error of the class that owns the code; a plain `CallError` for a code that this
        version does not know, so that a newer log stays readable.
    """
    code = data["code"]
    kind = next((kind for kind in _leaves(CallError) if kind.code == code), CallError)
    return kind(data["message"], details=data.get("details"))
