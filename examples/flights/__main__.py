"""`python -m examples.flights`: the demo from an empty cache folder to the table of results."""

import argparse
import asyncio
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn

from callgate import app
from callgate.agents import weights
from callgate.errors import CallgateError
from examples.flights import demo
from examples.flights.check import Question, questions
from examples.flights.data import DataError, cache_folder, ensure

HERE = Path(__file__).parent
# `make demo` ends within five minutes of work: the last question may begin at 225 s and take 75.
SHORT = demo.TimeLimits(question=75.0, begin=225.0)
LONG = demo.TimeLimits(question=240.0, begin=3600.0)


def main() -> int:
    """Run the demo and return the exit code: 0 when it ran, 3 when something is missing."""
    arguments = parsed()
    console = Console(stderr=arguments.json, highlight=False, soft_wrap=True)
    try:
        chosen = picked(arguments)
        database = ensure(cache_folder(), console.print)
        name = demo.chosen_model(arguments.model)
        every = arguments.all or arguments.questions != "questions"
        outcomes = asyncio.run(asked(chosen, name, database, console, every))
    except (CallgateError, DataError) as exc:
        print(f"the demo cannot run: {exc}", file=sys.stderr)
        return 3
    if arguments.json:
        print(json.dumps(demo.summary(outcomes, name), indent=2, default=str))
    else:
        demo.show_table(outcomes, name, console)
    return 0


def parsed() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m examples.flights", description=demo.__doc__)
    parser.add_argument("--all", action="store_true", help="ask all twenty questions")
    parser.add_argument("--only", metavar="ID", nargs="+", help="ask these questions only")
    parser.add_argument("--questions", default="questions", choices=("questions", "tuning"))
    parser.add_argument("--model", help="such as local:qwen2.5-coder-1.5b or openai:gpt-6-luna")
    parser.add_argument("--json", action="store_true", help="print one JSON value")
    return parser.parse_args()


def picked(arguments: argparse.Namespace) -> tuple[Question, ...]:
    """Return the questions to ask."""
    known = questions(HERE / f"{arguments.questions}.toml")
    if arguments.only:
        return tuple(question for question in known if question.id in arguments.only)
    if arguments.all or arguments.questions == "tuning":
        return known
    return tuple(question for question in known if question.short)


async def asked(
    chosen: Sequence[Question], name: str, database: Path, console: Console, every: bool
) -> tuple[demo.Outcome, ...]:
    """Open the model, fetching a local one's weights first, and ask."""
    settings = app.settings()
    if name.startswith("local:"):
        fetch(name.removeprefix("local:"), app.models_folder(settings), console)
    model = app.model(settings, name)
    console.print(f"asking {model.name}, {len(chosen)} questions")
    try:
        return await demo.ask_all(chosen, model, database, console, LONG if every else SHORT)
    finally:
        await model.close()


def fetch(name: str, folder: Path, console: Console) -> None:
    """Fetch the weights of a local model unless they are there."""
    wanted = weights.find(name)
    if (folder / wanted.file).exists():
        return
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn())
    with Progress(*columns, console=console) as bar:
        task = bar.add_task(f"fetching {name}", total=wanted.size)
        weights.pull(wanted, folder, progress=lambda p: bar.update(task, completed=p.done))


if __name__ == "__main__":
    sys.exit(main())
