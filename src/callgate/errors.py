"""Every way a call, a model or the set-up can go wrong.

The tree; the code in brackets is stable, `*` marks what may be tried again:

    CallgateError
    ├── SetupError                      a developer must change the program or its settings
    │   ├── DefinitionError             [definition]          a tool is declared wrongly
    │   ├── SettingsError               [settings]            callgate.toml or the environment
    │   ├── MissingDependencyError      [missing_dependency]  an extra is not installed
    │   ├── ModelFileError              [model_file]          weights are absent or damaged
    │   ├── DownloadError               [download]            a file did not come, or not whole
    │   ├── EvaluationDataError         [evaluation_data]     a file of an evaluation is damaged
    │   └── MisuseError                 [misuse]              wrong event loop, closed gate ...
    ├── StoreError                      [store]               the database did not do what it must
    │   └── SchemaError                 [schema]              its tables are of another version
    ├── ApprovalError                   [approval]            a person's decision is not accepted
    ├── CallError                       a call did not succeed; the model is told
    │   ├── RefusedError                nothing was executed
    │   │   ├── UnknownToolError        [unknown_tool]
    │   │   ├── ArgumentsError          [arguments]
    │   │   │   └── MalformedArgumentsError  [malformed_arguments]
    │   │   ├── DuplicateCallError      [duplicate_call]
    │   │   ├── RepeatedCallError       [repeated_call]
    │   │   ├── LaterError              refused for now; says when to try again
    │   │   │   ├── BusyError           [busy] *
    │   │   │   ├── ThrottledError      [throttled]
    │   │   │   └── CircuitOpenError    [circuit_open]
    │   │   ├── DisabledError           [disabled]
    │   │   ├── BudgetError             [budget]
    │   │   ├── NotExecutedError        [not_executed]
    │   │   ├── KeyConflictError        [key_conflict]        the key belongs to another intent
    │   │   ├── InProgressError         [in_progress] *       the same intent is being tried
    │   │   ├── NotWrittenError         [not_written] *       the intent could not be written down
    │   │   ├── NotApprovedError        [not_approved]        an approval does not hold
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
    "ApprovalError",
    "ArgumentsError",
    "BudgetError",
    "BusyError",
    "CallError",
    "CallgateError",
    "CancelledCallError",
    "CircuitOpenError",
    "DeadlineError",
    "DefinitionError",
    "DeniedError",
    "DisabledError",
    "DownloadError",
    "DuplicateCallError",
    "EvaluationDataError",
    "ExecutionError",
    "InDoubtError",
    "InProgressError",
    "InternalError",
    "KeyConflictError",
    "LaterError",
    "MalformedArgumentsError",
    "MissingDependencyError",
    "MisuseError",
    "ModelError",
    "ModelFileError",
    "ModelRequestError",
    "ModelStreamError",
    "ModelUnavailableError",
    "NotApprovedError",
    "NotExecutedError",
    "NotWrittenError",
    "RateLimitedError",
    "RefusedError",
    "RepeatedCallError",
    "ResultError",
    "RunError",
    "SchemaError",
    "SettingsError",
    "SetupError",
    "StoreError",
    "ThrottledError",
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


class DownloadError(SetupError):
    """A file could not be fetched, or only a part of it; the part is kept."""

    code = "download"


class EvaluationDataError(SetupError):
    """A file of an evaluation is absent, damaged, not the one expected or not of its form."""

    code = "evaluation_data"


class MisuseError(SetupError):
    """An object was used in a way that it cannot serve, such as from a second event loop."""

    code = "misuse"


class StoreError(CallgateError):
    """The database is locked, full, read-only or gone, or refused what was written."""

    code = "store"


class SchemaError(StoreError):
    """The tables of the database are of another version than this program."""

    code = "schema"


class ApprovalError(CallgateError):
    """A person's decision about a call, or a grant, is not accepted."""

    code = "approval"


class CallError(CallgateError):
    """A call did not succeed.

    Attributes:
        told: What the model is told to do next; appended to the message.
        retry_after: Seconds after which it makes sense to try again; None if nobody knows.
    """

    code = "call"
    told: ClassVar[str] = ""
    retry_after: float | None = None

    @property
    def harmless(self) -> bool:
        """Whether it is known that no effect has happened; False where nobody knows."""
        return False

    def tell(self) -> str:
        """Return the text a model reads: what happened, then what to do next."""
        return f"{self.message} {self.told}".strip()

    def to_json(self) -> dict[str, Any]:
        """Return a JSON object from which `call_error_from_json` makes an equal error."""
        return {"code": self.code, "message": self.message, "details": dict(self.details)}


class RefusedError(CallError):
    """The call was refused before anything was executed."""

    code = "refused"

    @property
    def harmless(self) -> bool:
        """True: nothing was executed."""
        return True


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


class LaterError(RefusedError):
    """The call is refused for now; later it may not be."""

    code = "later"

    def __init__(
        self, message: str, *, retry_after: float | None = None, details: Details | None = None
    ) -> None:
        """Keep when to try again.

        Args:
            message: What is in the way, and for how long.
            retry_after: Seconds to wait, if known; defaults to None.
            details: JSON values for programs; defaults to none. `retry_after` goes into them too.
        """
        told = {} if retry_after is None else {"retry_after": round(retry_after, 3)}
        super().__init__(message, details={**told, **(details or {})})
        self.retry_after = retry_after


class BusyError(LaterError):
    """The tool or its backend bears no more attempts at present."""

    code = "busy"
    retryable = True
    told = "Nothing was executed. Try again later or go on without it."


class ThrottledError(LaterError):
    """The principal or the tenant calls more often than it may."""

    code = "throttled"
    told = "Nothing was executed. Make fewer calls, or wait as long as it says."


class CircuitOpenError(LaterError):
    """The tool's backend is out, so it is left alone for a while."""

    code = "circuit_open"
    told = "Nothing was executed. Go on without it, or try again when it says."


class DisabledError(RefusedError):
    """An operator has switched the tool off."""

    code = "disabled"
    told = "Nothing was executed. Go on without this tool."


class BudgetError(RefusedError):
    """A budget of the run or session is used up."""

    code = "budget"
    told = "Nothing was executed. Answer with what you already know."


class NotExecutedError(RefusedError):
    """An earlier effect of the same turn did not succeed, so this one was not started."""

    code = "not_executed"
    told = "Nothing was executed. Look at the earlier result first, then decide again."


class KeyConflictError(RefusedError):
    """The key names another intent: other arguments, another tool or another tenant's."""

    code = "key_conflict"
    told = "Nothing was executed. One key stands for one call; make this one under another."


class InProgressError(RefusedError):
    """The same intent is being tried by somebody else now."""

    code = "in_progress"
    retryable = True
    told = "Nothing was executed. Ask again later with the same key; its outcome will be told."


class NotWrittenError(RefusedError):
    """The intent could not be written down, and nothing is tried that is not."""

    code = "not_written"
    retryable = True
    told = "Nothing was executed. Try again later or go on without it."


class NotApprovedError(RefusedError):
    """The approval is for another call, was used, taken back or came too late."""

    code = "not_approved"
    told = (
        "Nothing was executed. Make the call again if it is still needed: a person is asked anew."
    )


class DeniedError(RefusedError):
    """A policy or a person said no."""

    code = "denied"
    told = "Nothing was executed. Do not try to get around this."


class ExecutionError(CallError):
    """An attempt was made and did not end well."""

    code = "execution"


class ToolFailedError(ExecutionError):
    """The tool itself says that it cannot do this; trying again will not help.

    Attributes:
        acted: Whether the effect happened although the call failed. False (the default) states
            that nothing happened.
    """

    code = "tool_failed"

    def __init__(
        self, message: str, *, acted: bool = False, details: Details | None = None
    ) -> None:
        """Keep whether the effect happened.

        Args:
            message: Why it failed, and what would work.
            acted: Whether the effect happened all the same; defaults to False.
            details: JSON values for programs; defaults to none.
        """
        super().__init__(message, details=details)
        self.acted = acted

    @property
    def harmless(self) -> bool:
        """Whether the tool says that nothing has happened."""
        return not self.acted


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

    @property
    def harmless(self) -> bool:
        """Whether the backend is known not to have acted."""
        return not self.acted


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
