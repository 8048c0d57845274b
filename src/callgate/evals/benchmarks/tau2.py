"""tau2's airline and retail: recorded simulations, judged by the criteria that rules can decide.

Those are the state of the database and what had to be said. Assertions in words are judged by a
model in tau2; its recorded verdict is taken as it is, and where there is none that is told. Telecom
and banking need tau2's own environments, in which users have tools as well.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from callgate.errors import EvaluationDataError
from callgate.evals.benchmarks.tau import (
    DOMAINS,
    Call,
    Database,
    Domain,
    Report,
    Rewards,
    State,
    Tools,
    left,
    read_database,
    without_commas,
)
from callgate.evals.files import of_form, read_json, read_lines, written
from callgate.evals.tally import Share
from callgate.schema.values import is_array, is_object

__all__ = ["Scoring", "score"]

_ENDED = frozenset({"agent_stop", "user_stop"})
_DB, _SAID, _ASSERTED = "DB", "COMMUNICATE", "NL_ASSERTION"
_DECIDED = frozenset({_DB, _SAID, _ASSERTED})
_MOST_TRIALS = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Scoring:
    """What a scoring found.

    Attributes:
        domain: The domain of the database.
        report: Rewards by the criteria that are decided.
        at_least: The mean reward if no assertion without a verdict holds.
        unjudged: Trajectories that are right but for assertions without a verdict.
        missing: Trials that were planned and are not there; they count as failed.
        state: Trajectories that left the database as the right actions do.
        said: Trajectories that said what had to be said, where anything had.
    """

    domain: str
    report: Report
    at_least: float
    unjudged: int
    missing: int
    state: Share
    said: Share

    def to_json(self) -> dict[str, Any]:
        """Return everything as JSON values."""
        return {
            "domain": self.domain,
            **self.report.to_json(),
            "reward_at_least": self.at_least,
            "unjudged": self.unjudged,
            "missing": self.missing,
            "state": self.state.to_json(),
            "said": self.said.to_json(),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class _Task:
    """A task: the right calls, what has to be said, and what the reward rests on."""

    calls: Sequence[Call]
    say: Sequence[str]
    asserted: bool
    basis: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Plan:
    """The trials that a run has: tasks, None for those of the file, and trials of each."""

    simulations: Sequence[Mapping[str, Any]]
    tasks: Sequence[str] | None = None
    trials: int = 1


def score(tasks: Path, database: Path, trajectories: Path | None = None) -> Scoring:
    """Judge simulations and compare with their recorded rewards.

    A simulation is worth 1 if every criterion that its task's reward rests on holds, else 0; one
    that did not end by itself is worth 0. All calls of the assistant count.

    Args:
        tasks: Tasks with their right actions, one a line; of other domains they are passed over.
        database: The state that every simulation starts from; its tables tell the domain.
        trajectories: Simulations, one a line, or a file of results as tau2 writes it, whose name
            ends with `.json`. By default the right actions themselves are scored, and said is then
            what had to be.

    Raises:
        EvaluationDataError: A file is absent, damaged or not of its form, or a reward rests on what
            cannot be decided here.
        MissingDependencyError: The package of the tools is not installed.
    """
    first = read_database(database)
    domain = _domain(first, database)
    known = _tasks(tasks, domain)
    judge = _Judge(domain=domain, first=first, tools=Tools.of(domain), tasks=known)
    if trajectories is None:
        for name in known:
            judge.add_right(name)
        return judge.scoring(tasks, 0)
    plan = _plan(trajectories, domain)
    seen: defaultdict[str, set[str]] = defaultdict(set)
    for simulation in plan.simulations:
        name, trial = str(simulation.get("task_id")), str(simulation.get("trial"))
        where = f"{trajectories.name}: task {name!r}, trial {trial}"
        if name not in known:
            raise EvaluationDataError(f"{where}: {tasks.name} has no such task of {domain.name}")
        if "trial" in simulation and trial in seen[name]:
            raise EvaluationDataError(f"{where} stands twice")
        seen[name].add(trial)
        with of_form(where):
            judge.add(name, simulation)
    return judge.scoring(trajectories, _fill(judge, plan))


def _fill(judge: _Judge, plan: _Plan) -> int:
    """Count trials that were planned and are not there; return how many."""
    outcomes = judge.rewards.outcomes
    if not outcomes:
        return 0
    trials = max(plan.trials, *map(len, outcomes.values()))
    missing = 0
    for name in judge.tasks if plan.tasks is None else plan.tasks:
        for _ in range(trials - len(outcomes[name])):
            judge.rewards.add(name, right=False, finished=False)
            judge.state.add(False)
            missing += 1
    return missing


# ------------------------------------------------------------------ one simulation


@dataclass(slots=True, kw_only=True)
class _Judge:
    domain: Domain
    first: Database
    tools: Tools
    tasks: Mapping[str, _Task]
    rewards: Rewards = field(default_factory=Rewards)
    state: Share = field(default_factory=Share)
    said: Share = field(default_factory=Share)
    unjudged: int = 0
    rights: dict[str, State] = field(default_factory=dict[str, State])

    def add_right(self, name: str) -> None:
        """Count the right actions of a task as if a model had made them."""
        calls = [_message(call) for call in self.tasks[name].calls]
        said = [{"role": "assistant", "content": text} for text in self.tasks[name].say]
        self.add(name, {"messages": calls + said})

    def add(self, name: str, simulation: Mapping[str, Any]) -> None:
        """Judge a simulation and count it."""
        task, messages = self.tasks[name], simulation.get("messages")
        if not is_array(messages):
            raise TypeError("a simulation needs a list of `messages`")
        ended = simulation.get("termination_reason")
        finished = simulation.get("finished") is not False and (ended is None or ended in _ENDED)
        same = self._left(_calls(messages)) == self._right(name)
        texts = [without_commas(text) for text in _texts(messages)]
        told = all(any(one.lower() in text for text in texts) for one in task.say)
        self.state.add(finished and same)
        if task.say:
            self.said.add(finished and told)
        # What the reward does not rest on is told above, and changes nothing here.
        right = (same or _DB not in task.basis) and (told or _SAID not in task.basis)
        recorded = _recorded(simulation)
        if right and finished and task.asserted and _ASSERTED in task.basis:
            verdict = _asserted(simulation)
            right = verdict is not False
            self.unjudged += verdict is None
            recorded = None if verdict is None else recorded
        trial = simulation.get("trial", 0)
        self.rewards.add(name, right=right, finished=finished, recorded=recorded, trial=trial)

    def scoring(self, path: Path, missing: int) -> Scoring:
        """Return what was found."""
        report = self.rewards.report(path)
        right = sum(one or 0 for trials in self.rewards.outcomes.values() for one in trials)
        return Scoring(
            domain=self.domain.name,
            report=report,
            at_least=round((right - self.unjudged) / report.items, 6),
            unjudged=self.unjudged,
            missing=missing,
            state=self.state,
            said=self.said,
        )

    def _right(self, name: str) -> State:
        if name not in self.rights:
            self.rights[name] = self._left(self.tasks[name].calls)
        return self.rights[name]

    def _left(self, calls: Sequence[Call]) -> State:
        return left(self.first, calls, self.tools, text=_by_value)


def _by_value(value: Any) -> bytes:
    """Return the text of a row in which 1 is 1.0: tau2's own rows have a type for each field."""
    return written(_whole(value))


def _whole(value: Any) -> Any:
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if is_array(value):
        return [_whole(item) for item in value]
    return {key: _whole(item) for key, item in value.items()} if is_object(value) else value


def _message(call: Call) -> dict[str, Any]:
    made = {"name": call[0], "arguments": call[1]}
    return {"role": "assistant", "content": None, "tool_calls": [made]}


def _calls(messages: Sequence[Mapping[str, Any]]) -> list[Call]:
    """Return all calls of the assistant; one whose arguments cannot be read changes nothing."""
    calls: list[Call] = []
    for message in messages:
        if message.get("role") != "assistant":
            continue
        for made in message.get("tool_calls") or ():
            call: Mapping[str, Any] = made.get("function") or made
            arguments = _arguments(call["arguments"])
            if arguments is not None:
                calls.append((call["name"], arguments))
    return calls


def _arguments(came: Any) -> Mapping[str, Any] | None:
    if isinstance(came, str):
        try:
            came = json.loads(came)
        except (ValueError, RecursionError):
            return None
    return came if is_object(came) else None


def _texts(messages: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    for message in messages:
        content = message.get("content")
        if message.get("role") == "assistant" and isinstance(content, str):
            yield content


def _recorded(simulation: Mapping[str, Any]) -> Any:
    reward = simulation.get("reward_info")
    return reward["reward"] if is_object(reward) else simulation.get("reward")


def _asserted(simulation: Mapping[str, Any]) -> bool | None:
    """Return the recorded verdict on a simulation's assertions, None if there is none."""
    reward = simulation.get("reward_info")
    checks = reward.get("nl_assertions") if is_object(reward) else None
    return all(check["met"] for check in checks) if checks else None


# ------------------------------------------------------------------ data


def _domain(database: Database, path: Path) -> Domain:
    found = next((one for one in DOMAINS.values() if one.tables == frozenset(database)), None)
    if found is None:
        raise EvaluationDataError(
            f"{path.name}: its tables {', '.join(sorted(database))} are those of no domain that "
            f"has tools here; these have: {', '.join(DOMAINS)}"
        )
    return found


def _tasks(path: Path, domain: Domain) -> dict[str, _Task]:
    known: dict[str, _Task] = {}
    for line in read_lines(path):
        if line.get("domain", domain.name) != domain.name:
            continue
        name = str(line.get("id"))
        with of_form(f"{path.name}: task {name!r}"):
            known[name] = _task(line, f"{path.name}: task {name!r}")
    if not known:
        raise EvaluationDataError(f"{path.name}: holds no task of {domain.name}")
    return known


def _task(line: Mapping[str, Any], where: str) -> _Task:
    criteria = line.get("evaluation_criteria")
    actions = criteria.get("actions") if is_object(criteria) else None
    if not is_object(criteria) or not is_array(actions):
        raise EvaluationDataError(
            f"{where} has no expectation: `evaluation_criteria` with a list of `actions`"
        )
    basis = frozenset(map(str, criteria["reward_basis"]))
    if other := sorted(basis - _DECIDED):
        raise EvaluationDataError(f"{where}: its reward rests on {other[0]}, which only tau2 knows")
    if line.get("initial_state"):
        raise EvaluationDataError(f"{where}: its `initial_state` can only be made by tau2")
    return _Task(
        calls=[(str(action["name"]), dict(action["arguments"])) for action in actions],
        say=[str(one) for one in criteria.get("communicate_info") or ()],
        asserted=bool(criteria.get("nl_assertions")),
        basis=basis,
    )


def _plan(path: Path, domain: Domain) -> _Plan:
    whole = path.name.removesuffix(".gz").endswith(".json")
    if not whole:
        return _Plan(simulations=list(_of(domain, read_lines(path), path)))
    results = read_json(path)
    if not is_object(results) or not is_array(results.get("simulations")):
        raise EvaluationDataError(
            f"{path.name}: expected an object with a list of `simulations`, as tau2 writes it"
        )
    with of_form(path.name):
        info: Mapping[str, Any] = results.get("info") or {}
        about: Mapping[str, Any] = info.get("environment_info") or {}
        named = about.get("domain_name")
        planned = [str(task["id"]) for task in results.get("tasks") or ()]
        trials = int(info.get("num_trials") or 1)
        if trials > _MOST_TRIALS:
            raise ValueError(f"`num_trials` is above {_MOST_TRIALS:,}")
    return _Plan(
        simulations=list(_of(domain, results["simulations"], path, named)),
        tasks=planned or None,
        trials=trials,
    )


def _of(
    domain: Domain, simulations: Iterator[Any] | Sequence[Any], path: Path, named: str | None = None
) -> Iterator[Mapping[str, Any]]:
    for simulation in simulations:
        if not is_object(simulation):
            raise EvaluationDataError(f"{path.name}: a simulation is an object")
        other = simulation.get("domain", named or domain.name)
        if other != domain.name:
            raise EvaluationDataError(
                f"{path.name}: task {simulation.get('task_id')!r} is of {other!r}, the database "
                f"of {domain.name!r}"
            )
        yield simulation
