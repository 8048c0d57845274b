"""`@tool`: declare a Python function as a tool."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import (
    Any,
    Generic,
    Literal,
    ParamSpec,
    TypeAlias,
    TypedDict,
    TypeVar,
    Unpack,
    overload,
)

from callgate.approvals.predicate import parse
from callgate.controls import Alternative
from callgate.errors import DefinitionError
from callgate.schema.check import Checker
from callgate.schema.infer import Signature, infer
from callgate.types import Effect, Example, JsonSchema, Limits, Tool

__all__ = ["FunctionTool", "Reconcile", "ToolOptions", "tool"]

P = ParamSpec("P")
R = TypeVar("R")

Reconcile: TypeAlias = Callable[[str, dict[str, Any]], Any]
"""Asks the world what became of a call, given its key and its JSON arguments; sync or async.

It returns what the tool would have returned if the effect happened, and None if it did not.
"""

_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_-]{0,63}")
_LEAST: Mapping[str, float] = {
    "timeout": 0.001,
    "attempt_timeout": 0.001,
    "attempts": 1,
    "concurrency": 1,
    "queue": 0,
    "result_bytes": 1,
    "argument_bytes": 2,
    "cache": 0.001,
    "cost": 0,
}
_DEFAULT_LIMITS = Limits()


class ToolOptions(TypedDict, total=False):
    """What `@tool` may be told beside the function.

    Attributes:
        name: The tool's name; defaults to the function's.
        version: The version of the contract; defaults to `0`.
        description: When to use it and when not; defaults to the docstring without its sections
            about parameters, result and errors.
        returns: JSON Schema of the result, or None to promise nothing; defaults to what the
            function's result type says.
        effect: What a call does to the world: `read`, `idempotent`, `reconcilable` or
            `irreversible`, the default.
        natural: States for an `idempotent` effect that repeating it is harmless by its nature,
            as with `set`, so that it needs no key; defaults to False.
        reconcile: For a `reconcilable` effect: asks the world whether a call happened.
        timeout: Seconds one call may execute, all attempts together; None for no bound; defaults
            to 30.
        attempt_timeout: Seconds one attempt may execute; None, the default, for all of `timeout`.
        attempts: How often one call may be tried in all; defaults to 3.
        concurrency: How many attempts may run at once; None, the default, for no bound.
        queue: Seconds an attempt may wait for a free slot; defaults to 5.
        result_bytes: Bytes of result text a model is shown; defaults to 64 KiB.
        argument_bytes: Bytes of JSON text accepted as arguments; defaults to 1 MiB.
        cache: Seconds for which a read's result may be given again to the same principal; None,
            the default, to read each time.
        cost: US dollars that a call costs, for allowances and budgets; defaults to nothing.
        backend: What the tool stands on, by the name that operators give it rules under.
        fallback: Tools that answer when this one is out: names, or `Alternative`s with a map of
            arguments.
        examples: Ways to call it well: `Example`, or just the arguments.
        parallel: Whether several effects of this tool may run at once in one turn; defaults to
            False. Reads always may.
        poll: Whether the same call may be repeated though its result does not change; defaults to
            False.
        cheap: States that a sync function returns at once, so that it is called on the event loop
            instead of in a worker thread; defaults to False.
        tags: Free words for filters and policies.
        approval: When a person must approve a call: True for always, or a condition over the
            arguments such as `"amount >= 100"`; defaults to False.
    """

    name: str
    version: str
    description: str
    returns: JsonSchema | None
    effect: Effect | Literal["read", "idempotent", "reconcilable", "irreversible"]
    natural: bool
    reconcile: Reconcile
    timeout: float | None
    attempt_timeout: float | None
    attempts: int
    concurrency: int | None
    queue: float
    result_bytes: int
    argument_bytes: int
    cache: float | None
    cost: Decimal | None
    backend: str
    fallback: str | Alternative | Sequence[str | Alternative]
    examples: Sequence[Example | Mapping[str, Any]]
    parallel: bool
    poll: bool
    cheap: bool
    tags: frozenset[str]
    approval: bool | str


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FunctionTool(Generic[P, R]):
    """A function that is a tool; it can still be called as the function it was.

    Attributes:
        tool: The contract.
        function: The function.
        signature: What was read from the function.
        cheap: Whether a sync function may be called on the event loop.
        reconcile: For a `reconcilable` effect: asks the world whether a call happened.
    """

    tool: Tool
    function: Callable[P, R]
    signature: Signature
    cheap: bool = False
    reconcile: Reconcile | None = None

    @property
    def __name__(self) -> str:
        """The tool's name."""
        return self.tool.name

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Call the plain function, past the path: nothing is checked, bounded or recorded."""
        return self.function(*args, **kwargs)


@overload
def tool(function: Callable[P, R], /, **options: Unpack[ToolOptions]) -> FunctionTool[P, R]: ...


@overload
def tool(
    **options: Unpack[ToolOptions],
) -> Callable[[Callable[P, R]], FunctionTool[P, R]]: ...


def tool(
    function: Callable[P, R] | None = None, /, **options: Unpack[ToolOptions]
) -> FunctionTool[P, R] | Callable[[Callable[P, R]], FunctionTool[P, R]]:
    """Declare a function as a tool, as `@tool`, `@tool(...)` or `tool(object.method, ...)`.

    Args:
        function: A sync or async function, or a bound method. Every parameter needs a type; one
            of type `CallContext` is filled by Callgate and never seen by a model.
        **options: See `ToolOptions`.

    Returns:
        The tool, which can be called like the function; with options alone, a decorator.

    Raises:
        DefinitionError: The function or the options contradict themselves or each other; says
            what to write instead.
    """
    if function is None:
        return lambda function: _declare(function, options)
    return _declare(function, options)


def _declare(function: Callable[P, R], options: ToolOptions) -> FunctionTool[P, R]:
    if isinstance(function, FunctionTool):
        raise DefinitionError(f"{function.tool.name} is a tool already; use it as it is")
    signature = infer(function)
    name = options.get("name", signature.name)
    try:
        return FunctionTool(
            tool=_contract(name, signature, options),
            function=function,
            signature=signature,
            cheap=options.get("cheap", False),
            reconcile=options.get("reconcile"),
        )
    except DefinitionError as exc:
        raise DefinitionError(f"{name}: {exc.message}") from exc


def _contract(name: str, signature: Signature, options: ToolOptions) -> Tool:
    unknown = options.keys() - ToolOptions.__annotations__.keys()
    if unknown:
        raise DefinitionError(
            f"there is no option {', '.join(sorted(unknown))}; the options are"
            f" {', '.join(ToolOptions.__annotations__)}"
        )
    if _NAME.fullmatch(name) is None:
        raise DefinitionError(
            f"{name!r} is no name for a tool; give it one of up to 64 ASCII letters, digits, `_`"
            " and `-` that begins with a letter or `_`: @tool(name=...)"
        )
    effect = _effect(signature, options)
    if options.get("cache") is not None and effect is not Effect.READ:
        raise DefinitionError(
            f"cache=... belongs to effect='read'; an effect ({effect}) has to happen each time"
        )
    return Tool(
        name=name,
        description=options.get("description", signature.description),
        parameters=signature.parameters,
        returns=options.get("returns", signature.returns),
        effect=effect,
        version=options.get("version", "0"),
        limits=_limits(options),
        fallback=_fallback(options.get("fallback", ())),
        examples=_examples(signature, options.get("examples", ())),
        parallel=options.get("parallel", False),
        poll=options.get("poll", False),
        tags=options.get("tags", frozenset()),
        approval=_approval(options.get("approval", False)),
    )


def _approval(asked: bool | str) -> str:
    if isinstance(asked, str):
        return parse(asked).text
    return "always" if asked else ""


def _effect(signature: Signature, options: ToolOptions) -> Effect:
    """Read the effect and hold the function to what it claims."""
    try:
        effect = Effect(options.get("effect", Effect.IRREVERSIBLE))
    except ValueError as exc:
        raise DefinitionError(
            f"{options.get('effect')!r} is no effect; say {', '.join(Effect)}"
        ) from exc
    natural, reconcile = options.get("natural", False), options.get("reconcile")
    if natural and effect is not Effect.IDEMPOTENT:
        raise DefinitionError("natural=True belongs to effect='idempotent'")
    if (effect is Effect.RECONCILABLE) != (reconcile is not None):
        raise DefinitionError(
            "effect='reconcilable' and reconcile=... belong together: a function that asks the"
            " world whether the call with a key happened"
        )
    if effect is Effect.IDEMPOTENT and not natural and signature.context_parameter is None:
        raise DefinitionError(
            "effect='idempotent' says that repeating a call with the same key is harmless, but"
            " the function takes no key. Add a parameter `call: CallContext` and hand `call.key`"
            " to the backend, or say natural=True if repetition is harmless by nature"
        )
    return effect


def _limits(options: ToolOptions) -> Limits:
    given: dict[str, Any] = {
        key: value for key, value in options.items() if key in _LEAST or key == "backend"
    }
    if not given:
        return _DEFAULT_LIMITS
    limits = Limits(**given)
    for key, least in _LEAST.items():
        value = getattr(limits, key)
        if value is not None and not (isinstance(value, int | float | Decimal) and value >= least):
            raise DefinitionError(f"{key}={value!r} allows no call; the least is {least}")
    if isinstance(limits.cost, int | float):
        raise DefinitionError(f"cost={limits.cost!r} is not exact; money is a Decimal")
    return limits


def _fallback(declared: str | Alternative | Sequence[str | Alternative]) -> tuple[Alternative, ...]:
    several = (declared,) if isinstance(declared, str | Alternative) else declared
    return tuple(Alternative(tool=one) if isinstance(one, str) else one for one in several)


def _examples(
    signature: Signature, examples: Sequence[Example | Mapping[str, Any]]
) -> tuple[Example, ...]:
    """Check the examples: a wrong one would teach a model to call wrongly."""
    if not examples:
        return ()
    checker = Checker(signature.parameters)
    found = tuple(
        example if isinstance(example, Example) else Example(arguments=example)
        for example in examples
    )
    for example in found:
        if problems := checker.problems(dict(example.arguments)):
            worst = problems[0]
            raise DefinitionError(
                f"the example {example.arguments} is not valid: {worst.path} is {worst.got}, but"
                f" {worst.allowed} is allowed"
            )
    return found
