"""The history doctor brings calls and results together: each call one result, in its place."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from callgate.codecs.doctor_drafts import Chart, Draft, Fault, Unit
from callgate.codecs.gemini_reading import is_own_id
from callgate.messages import CallPart, ResultPart, Role

__all__ = ["NOT_EXECUTED", "Habit", "pair"]

NOT_EXECUTED = (
    "There is no result of this call: take it as not executed. If it was to change anything, "
    "look first whether it did before you call it again."
)
"""What the model reads in place of a result that was never recorded."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Habit:
    """Where a wire wants results.

    Attributes:
        runs: Whether several messages of the assistant may come before their results.
        anywhere: Whether a result may come in any later message.
        user_first: Whether the user must begin.
        named: Whether a result is sent with the name of its tool.
        blank: Whether a message may hold blank text only.
    """

    runs: bool = False
    anywhere: bool = False
    user_first: bool = False
    named: bool = False
    blank: bool = True


@dataclass(slots=True, eq=False)
class _Result:
    at: int
    unit: Unit
    part: ResultPart
    taken: bool = False


@dataclass(slots=True, eq=False)
class _Call:
    unit: Unit
    part: CallPart
    result: _Result | None = None

    @property
    def waits(self) -> bool:
        """Whether the model waits for it; an `async` call of OpenAI may stay open."""
        return self.unit.about_call().get("async") is not True

    def take(self, results: Iterable[_Result]) -> None:
        """Take the first result that is free, unless it has one."""
        if self.result is None:
            self.result = next((result for result in results if not result.taken), None)
            if self.result is not None:
                self.result.taken = True


@dataclass(slots=True, eq=False)
class _Group:
    """Messages of the assistant with calls, and the results directly after them.

    Attributes:
        last: Which draft is its last message.
        end: Which draft is the last one of the results that follow directly.
        calls: Its calls, in order.
    """

    last: int
    end: int
    calls: list[_Call]

    def is_followed(self, result: _Result) -> bool:
        """Whether a result follows directly."""
        return self.last < result.at <= self.end


def pair(drafts: Sequence[Draft], habit: Habit, chart: Chart) -> list[Draft]:
    """Return the drafts with one result for every call, where the wire wants it.

    Calls get ids that differ; results without a call are left out; calls without a result get one
    that says so.
    """
    groups = _groups(drafts, habit)
    results = [
        _Result(at, unit, unit.main)
        for at, draft in enumerate(drafts)
        for unit in draft.units
        if isinstance(unit.main, ResultPart)
    ]
    _claim(groups, results)
    _tell_apart(groups, chart)
    if habit.named:
        _name(groups, chart)
    return _emitted(drafts, groups, results, habit, chart)


def _groups(drafts: Sequence[Draft], habit: Habit) -> list[_Group]:
    groups: list[_Group] = []
    for at, draft in enumerate(drafts):
        last = groups[-1] if groups else None
        if draft.role is Role.TOOL:
            if last is not None and last.end == at - 1:
                last.end = at
        elif draft.role is Role.ASSISTANT:
            calls = [
                _Call(unit, unit.main) for unit in draft.units if isinstance(unit.main, CallPart)
            ]
            if last is not None and habit.runs and last.last == at - 1:
                last.last = last.end = at
                last.calls += calls
            else:
                groups.append(_Group(at, at, calls))
    return groups


def _claim(groups: Sequence[_Group], results: Sequence[_Result]) -> None:
    """Give every call its result: first those that follow directly, then later, then earlier ones.

    A result with an id that no call has answers the call of its name that it follows.
    """
    of_id: dict[str, list[_Result]] = {}
    for result in results:
        of_id.setdefault(result.part.call_id, []).append(result)
    calls = [(group, call) for group in groups for call in group.calls]
    known = {call.part.id for _, call in calls}
    strangers = _strangers(groups, [r for r in results if r.part.call_id not in known])
    for group, call in calls:
        call.take(filter(group.is_followed, of_id.get(call.part.id, ())))
    for group, call in calls:
        call.take(r for r in of_id.get(call.part.id, ()) if r.at > group.last)
    for group, call in calls:
        call.take(of_id.get(call.part.id, ()))
        for name in (call.part.name, ""):
            call.take(strangers.get((group.last, name), ()))


def _strangers(
    groups: Iterable[_Group], results: Iterable[_Result]
) -> dict[tuple[int, str], Iterator[_Result]]:
    """Return results by the group they follow and their name; each is passed once."""
    group_at = {at: group for group in groups for at in range(group.last + 1, group.end + 1)}
    found: dict[tuple[int, str], list[_Result]] = {}
    for result in results:
        if group := group_at.get(result.at):
            found.setdefault((group.last, result.part.name), []).append(result)
    return {key: iter(value) for key, value in found.items()}


def _tell_apart(groups: Iterable[_Group], chart: Chart) -> None:
    """Give every call an id of its own, and its result the same."""
    seen: set[str] = set()
    for group in groups:
        for call in group.calls:
            own = call.part.id
            if not own or own in seen:
                new = _new_id(own, call.unit.place)
                fault = Fault.DUPLICATE_ID if own else Fault.MISSING_ID
                chart.note(call.unit.place, fault, f"The call of {call.part.name} is now {new}.")
                call.part = call.unit.main = replace(call.part, id=new)
            seen.add(call.part.id)
            if call.result is not None and call.result.part.call_id != call.part.id:
                _adopt(call.result, call, own, chart)


def _adopt(result: _Result, call: _Call, own: str, chart: Chart) -> None:
    if result.part.call_id != own:
        chart.note(
            result.unit.place,
            Fault.UNMATCHED_RESULT,
            f"The result {result.part.call_id!r} answers the call {call.part.id}.",
        )
    result.part = result.unit.main = replace(result.part, call_id=call.part.id)


def _name(groups: Iterable[_Group], chart: Chart) -> None:
    """Give every result the name of its call's tool."""
    for call in (call for group in groups for call in group.calls):
        result = call.result
        if result is not None and result.part.name != call.part.name:
            result.part = result.unit.main = replace(result.part, name=call.part.name)
            done = f"The result of the call {call.part.id} is one of {call.part.name}."
            chart.note(result.unit.place, Fault.UNNAMED_RESULT, done)


def _new_id(own: str, place: str) -> str:
    digits = hashlib.sha256(f"{place}\0{own}".encode("utf-8", "replace")).hexdigest()[:24]
    # An id that one wire never sends must stay such a one.
    return f"{'gemini' if is_own_id(own) else 'call'}_{digits}"


def _emitted(
    drafts: Sequence[Draft],
    groups: Sequence[_Group],
    results: Sequence[_Result],
    habit: Habit,
    chart: Chart,
) -> list[Draft]:
    ends = {group.end: group for group in groups}
    stays = _in_place(groups, habit)
    leaves = {id(result.unit) for result in results if id(result) not in stays}
    answered = {call.part.id for group in groups for call in group.calls if call.result}
    for result in results:
        if not result.taken:
            _note_lost(result, answered, chart)
    emitted: list[Draft] = []
    for at, draft in enumerate(drafts):
        had = len(draft.units)
        draft.units = [unit for unit in draft.units if id(unit) not in leaves]
        # What is emptied here is no message of its own any more.
        if draft.units or not had:
            emitted.append(draft)
        group = ends.get(at)
        if group is not None and (added := list(_added(group, stays, chart))):
            emitted.append(Draft(place=draft.place, role=Role.TOOL, units=added))
    return emitted


def _in_place(groups: Sequence[_Group], habit: Habit) -> set[int]:
    """Return the results that stay where they are."""
    return {
        id(call.result)
        for group in groups
        for call in group.calls
        if call.result is not None
        and (
            group.is_followed(call.result)
            or (call.result.at > group.last and (habit.anywhere or not call.waits))
        )
    }


def _added(group: _Group, stays: set[int], chart: Chart) -> Iterator[Unit]:
    """Yield the results that must be put after a group."""
    for call in group.calls:
        result = call.result
        if result is not None and id(result) not in stays:
            chart.note(
                result.unit.place,
                Fault.MISPLACED_RESULT,
                f"The result was put after its call {call.part.id}.",
            )
            yield replace(result.unit)
        elif result is None and call.waits:
            chart.note(
                call.unit.place,
                Fault.UNANSWERED_CALL,
                f"The call {call.part.id} was answered: it counts as not executed.",
            )
            answer = ResultPart(
                call_id=call.part.id,
                name=call.part.name,
                text=NOT_EXECUTED,
                error=True,
                echo=call.part.echo,
            )
            yield Unit(place=call.unit.place, main=answer)


def _note_lost(result: _Result, answered: set[str], chart: Chart) -> None:
    call_id = result.part.call_id
    if call_id in answered:
        done = f"A second result of the call {call_id} was left out."
        chart.note(result.unit.place, Fault.REPEATED_RESULT, done)
    else:
        done = f"The result of the call {call_id!r}, which is not there, was left out."
        chart.note(result.unit.place, Fault.ORPHANED_RESULT, done)
