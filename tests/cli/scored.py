"""Every `callgate eval score` command, with the smallest files that it takes."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.conftest import ROOT
from tests.evals.test_bfcl_multi_turn import GOOD, ITEM

__all__ = ["FILES", "SCORINGS", "arguments", "put"]

FUNCTION = {
    "name": "add",
    "description": "",
    "parameters": {"type": "dict", "properties": {"x": {"type": "integer"}}, "required": ["x"]},
}
QUESTION = {"category": "simple_python", "id": "a", "question": [], "function": [FUNCTION]}
BOOKED = {"function": {"name": "get_user_details", "arguments": '{"user_id": "ann"}'}}

FILES: Mapping[str, Sequence[Any]] = {
    "q.jsonl": [{**QUESTION, "possible_answer": [{"add": {"x": [1]}}]}],
    "bfcl_v1_scores.json": [
        {"underscore_to_dot_models": [], "scores": {"one": {"simple": [0, 1]}}}
    ],
    "o.jsonl": [
        {
            "category": "simple_python",
            "id": "a",
            "outputs": {"one": [1, None, [{"add": {"x": 2}}]]},
        }
    ],
    "raw.jsonl": [
        {"category": "simple_python", "id": "a", "outputs": {"one": [{"add": '{"x": 1.0}'}]}}
    ],
    "turns.jsonl": [ITEM],
    "run.jsonl": [{"run": "one", "id": ITEM["id"], "result": GOOD, "valid": True}],
    "nested.jsonl": [
        {"id": "a", "calls": [{"name": "f", "arguments": {"b": "$var2.x$"}, "label": "var1"}]}
    ],
    "bank.jsonl": [{"id": "a", "level": 1, "answer": [{"name": "f", "parameters": {"b": 1}}]}],
    "seal.jsonl": [{"id": "a", "split": "x", "calling": [{"api": "f", "parameters": {"b": 1}}]}],
    "called.jsonl": [{"id": "a", "outputs": {"one": [{"name": "f", "parameters": {"b": 1}}]}}],
    "tools.jsonl": [{"id": "f", "description": "send mail"}],
    "need.jsonl": [{"id": "a", "query": "send", "relevant": ["f"]}],
    "ranked.jsonl": [{"id": "a", "ranked": ["f"]}],
    "apis.jsonl": [
        {
            "id": "a",
            "group": "x",
            "query": "?",
            "relevant": ["T::f"],
            "candidates": ["T::f", "T::g"],
        }
    ],
    "used.jsonl": [
        {
            "id": "a",
            "outputs": {
                "one": {"calls": ["f_for_t"], "is_solved": {"0": "AnswerStatus.Solved"}},
                "two": [{"name": "T::f", "arguments": "{}"}],
            },
        }
    ],
    "tau.jsonl": [
        {
            "task_id": 1,
            "messages": [{"role": "assistant", "content": None, "tool_calls": [BOOKED]}],
            "gold_actions": [{"name": "get_user_details", "kwargs": {"user_id": "ann"}}],
            "outputs": ["7"],
            "reward": 1.0,
            "trial": 0,
        }
    ],
    "tasks.jsonl": [
        {
            "id": "1",
            "evaluation_criteria": {
                "actions": [{"name": "get_user_details", "arguments": {"user_id": "ann"}}],
                "communicate_info": ["7"],
                "nl_assertions": ["It is kind."],
                "reward_basis": ["DB", "COMMUNICATE", "NL_ASSERTION"],
            },
        }
    ],
    "results.json": [
        {
            "info": {"num_trials": 1, "environment_info": {"domain_name": "airline"}},
            "tasks": [{"id": "1"}],
            "simulations": [
                {
                    "task_id": "1",
                    "trial": 0,
                    "termination_reason": "user_stop",
                    "messages": [
                        {
                            "role": "assistant",
                            "content": "7",
                            "tool_calls": [
                                {"name": "get_user_details", "arguments": {"user_id": "ann"}}
                            ],
                        }
                    ],
                    "reward_info": {"reward": 1.0, "nl_assertions": [{"met": True}]},
                }
            ],
        }
    ],
    "db.json": [{"flights": {}, "users": {"ann": {"name": "Ann"}}, "reservations": {}}],
}
"""Lines of each file; the files with one line are JSON as well."""

SCORINGS: Mapping[str, Mapping[str, str]] = {
    "bfcl": {"--outputs": "o.jsonl", "--questions": "q.jsonl", "--models": "bfcl_v1_scores.json"},
    "repair": {"--outputs": "raw.jsonl", "--questions": "q.jsonl"},
    "bfcl-multi-turn": {"--outputs": "run.jsonl", "--questions": "turns.jsonl"},
    "tau-airline": {"--trajectories": "tau.jsonl", "--db": "db.json"},
    "tau2": {"--trajectories": "results.json", "--tasks": "tasks.jsonl", "--db": "db.json"},
    "nested": {"--data": "nested.jsonl"},
    "api-bank": {"--outputs": "called.jsonl", "--items": "bank.jsonl"},
    "seal-tools": {"--outputs": "called.jsonl", "--queries": "seal.jsonl"},
    "toolbench": {"--outputs": "used.jsonl", "--queries": "apis.jsonl"},
    "retrieval": {"--ranked": "ranked.jsonl", "--queries": "need.jsonl", "--tools": "tools.jsonl"},
}
"""The files of each command by option: what is judged stands first."""


def arguments(command: str) -> list[str]:
    """Return the command line of a scoring."""
    words = [word for pair in SCORINGS[command].items() for word in pair]
    if command == "bfcl-multi-turn":
        words += ["--environments", str(ROOT / ".cache/bfcl-eval")]
    return ["eval", "score", command, *words]


def put(folder: Path, name: str, lines: Sequence[Any]) -> None:
    """Write a file of JSON lines."""
    text = "".join(json.dumps(line) + "\n" for line in lines)
    (folder / name).write_text(text, encoding="utf-8")
