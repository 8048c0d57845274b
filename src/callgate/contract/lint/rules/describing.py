"""What descriptions say, and what they leave out."""

from __future__ import annotations

import re
from collections.abc import Iterator

from callgate.contract.lint.finding import Edit, Severity
from callgate.contract.lint.rule import Hit, Rule
from callgate.contract.lint.subject import Parameter, Subject
from callgate.contract.lint.words import has, said, split_name

__all__ = ["RULES"]

_FILLER = frozenset(
    said(
        "a an and api by call for from given in is it its of on or provided specified that the "
        "this to tool using used with function method will can you your endpoint"
    )
)
_PLACEHOLDER = re.compile(
    r"\b(?:(?-i:TODO|FIXME|TBD)|lorem ipsum|description here|no description|insert description|"
    r"add description)\b|^\s*(?:n/?a|none|null|undefined|desc|description|\.+|-+)"
    r"\s*$|\{\{[^}]*\}\}|<(?:p|br|div)\s*/?>",
    re.IGNORECASE,
)
_ABOUT_MARKUP = re.compile(r"html|markup|\btags?\b|template", re.IGNORECASE)
_WHEN = re.compile(
    r"\b(?:when(?:ever)?|if you|use (?:this|it|to|for)|used (?:to|for|when)|useful|before|after|"
    r"call this|in order to|to (?:find|check|get|see)|for (?:when|cases|use))\b",
    re.IGNORECASE,
)
_WHEN_NOT = re.compile(
    r"\b(?:not|don't|doesn't|never|only|instead|rather than|unless|except|cannot|without)\b",
    re.IGNORECASE,
)
_LONGEST = 1_024

_QUANTITIES = frozenset(
    said(
        "acceleration altitude area bandwidth capacity delay density distance "
        "duration elevation energy force interval latency mass power "
        "pressure radius resistance speed temperature temp thickness timeout velocity voltage "
        "wavelength weight"
    )
)
_GEOMETRY = frozenset(said("altitude area depth distance radius"))
_NO_QUANTITY = frozenset(said("key max maximum min minimum password string text token word"))
_PURE = re.compile(
    r"\b(?:circle|cone|cube|cuboid|cylinder|geometr\w+|hypotenuse|math\w*|password|perimeter|"
    r"polygon|pyramid|rectang\w+|shape|sphere|square|string|trapezoid|triang\w+|text|list|array|words?|image\w*|pixels?)\b",
    re.IGNORECASE,
)
"""What has sizes without units: pure geometry, and things that are counted."""

_UNITS = re.compile(
    r"\b(?:units?|in (?:the )?\w+s\b|[numkMGT]?s|ms|msec|sec(?:ond)?s?|min(?:ute)?s?|h(?:ou)?rs?|"
    r"days?|weeks?|months?|years?|[kmcµn]?m|met(?:er|re)s?|\w*met(?:er|re)s?|feet|foot|ft|inch(?:es)?|"
    r"miles?|yards?|[kmµ]?g|\w*grams?|lbs?|pounds?|tons?|tonnes?|oz|ounces?|celsius|fahrenheit|"
    r"kelvin|degrees?|radians?|[km]?hz|hertz|bytes?|[kmgt]i?b|bits?|pixels?|px|percent(?:age)?|"
    r"fraction|ratio|volts?|amps?|amperes?|ohms?|watts?|joules?|newtons?|pascals?|bars?|atm|"
    r"lit(?:er|re)s?|ml|gallons?|acres?|hectares?|square|cubic|mph|kmh|km/h|m/s|words|characters|"
    r"tokens|items|lines|pages|steps|coulombs?|farads?|tesla|moles?|rpm|knots?)\b|[%°/²³]|\bm\d",
    re.IGNORECASE,
)
_SCALE = re.compile(
    rf"{_UNITS.pattern}|\b0\D{{1,8}}(?:1|10|100)\b|\bnumber of\b|\bnights?\b|\branging from\b",
    re.IGNORECASE,
)
"""A unit, or a scale that ends at 1, 10 or 100."""

_UNIT_SAID = frozenset(
    said(
        "kg g mg lb lbs oz cm mm km m ft in inch inches feet miles mile ms sec secs second "
        "seconds min mins minute minutes hour hours hr hrs day days week weeks month months year "
        "years px pixels percent pct celsius fahrenheit kelvin c f k hz khz mhz ghz kb mb gb "
        "bytes bits degrees deg radians rad v kw w mph kmh kph units unit meters metres liters "
        "litres ml l hp"
    )
)
_DATES = frozenset(said("date day datetime timestamp time birthday birthdate dob deadline"))
_FORMATTED = re.compile(
    r"\b(?:formats?|formatted|iso|rfc|utc|epoch|unix|y{2,4}|m{2}|d{2}|hh|e\.?g|example|such as|"
    r"like|timestamp|24-hour|am/pm|a\.m|today|tomorrow|relative|natural language)\b|\d|%[YmdHM]|"
    r"yyyy|['\"]\w+['\"]",
    re.IGNORECASE,
)
_LANGUAGES = re.compile(
    r"\b(?:cron|jsonpath|json path|xpath|jq|jql|graphql|cql|"
    r"css selector|glob|lucene|kql|promql|odata)\b",
    re.IGNORECASE,
)
_EXAMPLE = re.compile(
    r"\be\.?g\b|\bformat of\b|example|such as|for instance|\blike\b|[`'\"{*]|\bi\.e\b",
    re.IGNORECASE,
)
_HARM = frozenset(
    said(
        "cancel charge deactivate delete destroy drop erase kill overwrite pay purchase purge "
        "refund remove reset revoke send terminate transfer wipe withdraw"
    )
)


def _missing(subject: Subject) -> Iterator[Hit]:
    if not subject.tool.description.strip():
        yield Hit(subject=subject, path="description", words="The tool has no description.")


def _repeats(subject: Subject) -> Iterator[Hit]:
    words = set(said(subject.tool.description)) - _FILLER
    known = set(subject.words) | {form for word in subject.words for form in _forms(word)}
    if subject.tool.description.strip() and words <= known:
        yield Hit(
            subject=subject,
            path="description",
            words="The description says nothing that the name does not say.",
            evidence=subject.tool.description,
        )


def _forms(word: str) -> tuple[str, ...]:
    return (f"{word}s", f"{word}es", word.removesuffix("s"), f"{word.removesuffix('y')}ies")


def _placeholder(subject: Subject) -> Iterator[Hit]:
    for path, text in subject.texts:
        # A text about markup may show some.
        if (seen := has(_PLACEHOLDER, text)) and not _ABOUT_MARKUP.search(path + text):
            yield Hit(
                subject=subject,
                path=path,
                words="Part of the description was never written, or is markup.",
                evidence=seen,
            )


def _long(subject: Subject) -> Iterator[Hit]:
    size = len(subject.tool.description)
    if size > _LONGEST:
        yield Hit(
            subject=subject,
            path="description",
            words=f"The description has {size} characters; some models of OpenAI refuse more than "
            f"{_LONGEST}.",
            evidence=subject.tool.description[:80],
        )


def _untidy(subject: Subject) -> Iterator[Hit]:
    for path, text in subject.texts:
        tidy = re.sub(r"[ \t]+(?=\n)|\n{3,}", lambda m: "\n\n" if "\n" in m[0] else "", text)
        if (tidy := tidy.strip()) != text and tidy:
            steps = subject.steps(path)
            yield Hit(
                subject=subject,
                path=path,
                words=f"{len(text) - len(tidy)} characters of blank space say nothing and cost "
                "tokens.",
                evidence=repr(text[:20] + "…" + text[-20:] if len(text) > 42 else text),
                edits=() if steps is None else (Edit(steps=steps, value=tidy),),
            )


def _when(subject: Subject) -> Iterator[Hit]:
    told = subject.tool.description
    if told.strip() and not _WHEN.search(told):
        yield Hit(
            subject=subject,
            path="description",
            words="The description does not say when to use the tool.",
            evidence=told,
        )


def _when_not(subject: Subject) -> Iterator[Hit]:
    told = subject.tool.description
    if told.strip() and not _WHEN_NOT.search(told):
        yield Hit(
            subject=subject,
            path="description",
            words="The description does not say when not to use the tool.",
            evidence=told,
        )


def _undocumented(subject: Subject) -> Iterator[Hit]:
    for parameter in subject.parameters:
        bare = not parameter.description.strip() and not parameter.is_closed
        if bare and not _is_told(parameter, subject.tool.description):
            yield Hit(
                subject=subject,
                path=parameter.path,
                words="The parameter has no description.",
                evidence=parameter.name,
            )


def _is_told(parameter: Parameter, text: str) -> bool:
    """Tell whether the description of the tool speaks of a parameter by its name."""
    name = re.escape(parameter.name)
    # A name of several words is no word of prose; in a path or a query it says nothing.
    if len(parameter.words) > 1 and re.search(rf"(?<![\w{{/?&=.$<:-]){name}(?![\w}}/>=-])", text):
        return True
    marked = rf"([`*'\"]){name}\1|^\W*{name}\s*(?:=|:|-|\u2013|\u2014)\s+\w"
    return re.search(marked, text, re.MULTILINE) is not None


def _echo(subject: Subject) -> Iterator[Hit]:
    for parameter in subject.parameters:
        words = set(said(parameter.description)) - _FILLER
        known = set(parameter.words) | {f for w in parameter.words for f in _forms(w)}
        if parameter.description.strip() and words <= known and not parameter.is_closed:
            yield Hit(
                subject=subject,
                path=parameter.path,
                words="The description only repeats the name of the parameter.",
                evidence=parameter.description,
            )


def _unit(subject: Subject) -> Iterator[Hit]:
    pure = bool(_PURE.search(f"{' '.join(subject.words)} {subject.tool.description}"))
    for parameter in subject.parameters:
        if not parameter.types or not parameter.types <= {"integer", "number"}:
            continue
        named = [word for word in parameter.words if word in _QUANTITIES]
        if not named or _UNIT_SAID & set(parameter.words):
            continue
        if (pure or _NO_QUANTITY & set(parameter.words)) and set(named) <= _GEOMETRY:
            continue
        if _SCALE.search(parameter.description) or _is_unit_beside(subject, parameter):
            continue
        yield Hit(
            subject=subject,
            path=parameter.path,
            words=f"In what unit is the {named[-1]}? Neither name nor description says.",
            evidence=parameter.description or parameter.name,
            fix="Write the unit into the name or the description, such as `timeout_seconds`.",
        )


def _is_unit_beside(subject: Subject, parameter: Parameter) -> bool:
    """Tell whether another parameter, or the tool's description, gives the unit."""
    if any("unit" in w or "units" in w for p in subject.parameters for w in [p.words]):
        return True
    told = subject.tool.description
    return bool(_UNITS.search(told)) and any(word in said(told) for word in parameter.words)


def _format(subject: Subject) -> Iterator[Hit]:
    for parameter in subject.parameters:
        if parameter.types != frozenset({"string"}) or parameter.is_closed:
            continue
        if not parameter.words or parameter.words[-1] not in _DATES:
            continue
        if any(parameter.keyword(key) for key in ("format", "pattern", "examples", "default")):
            continue
        if parameter.words[-1] == "day" or _FORMATTED.search(parameter.description):
            continue
        yield Hit(
            subject=subject,
            path=parameter.path,
            words="In what format is the date or time? Neither `format` nor the description says.",
            evidence=parameter.description or parameter.name,
        )


def _example(subject: Subject) -> Iterator[Hit]:
    for parameter in subject.parameters:
        if parameter.types != frozenset({"string"}) or parameter.is_closed:
            continue
        language = has(_LANGUAGES, parameter.description) or has(
            _LANGUAGES, " ".join(split_name(parameter.name))
        )
        told = parameter.keyword("examples") or parameter.keyword("default")
        if language and not told and not _EXAMPLE.search(parameter.description):
            yield Hit(
                subject=subject,
                path=parameter.path,
                words=f"A value in {language} is asked for, and none is shown.",
                evidence=parameter.description or parameter.name,
            )


def _untold_effect(subject: Subject) -> Iterator[Hit]:
    harm = [word for word in subject.action[:1] if word in _HARM]
    told = said(subject.tool.description)
    if not harm or not told:
        return
    if not any(word.startswith(other[:5]) for word in told for other in _HARM):
        yield Hit(
            subject=subject,
            path="description",
            words=f"The name says {harm[0]}, and the description does not say what changes.",
            evidence=subject.tool.description,
        )


RULES = (
    Rule(
        id="description-missing",
        severity=Severity.ERROR,
        reason="Without a description a model chooses by the name alone.",
        fix="Say what the tool does, when to use it, and what it returns.",
        each=_missing,
    ),
    Rule(
        id="description-repeats-name",
        severity=Severity.WARNING,
        reason="A description that repeats the name costs tokens and helps no choice.",
        fix="Say when to use the tool, what it returns and what it does not do.",
        each=_repeats,
    ),
    Rule(
        id="description-unfinished",
        severity=Severity.WARNING,
        reason="A model takes placeholders and markup as content.",
        fix="Write the text, in plain words.",
        each=_placeholder,
    ),
    Rule(
        id="description-long",
        severity=Severity.WARNING,
        reason="Some models refuse descriptions of more than 1,024 characters, and all of them pay "
        "for each in every turn.",
        fix="Keep what helps to choose and to fill in; move the rest to the parameters.",
        each=_long,
    ),
    Rule(
        id="description-untidy",
        severity=Severity.INFO,
        reason="Blank lines and spaces at the ends cost tokens.",
        fix="Remove them.",
        each=_untidy,
        on=False,
    ),
    Rule(
        id="description-no-when",
        severity=Severity.INFO,
        reason="Models choose better between tools that say when they are meant.",
        fix="Begin a sentence with `Use this when`.",
        each=_when,
        on=False,
    ),
    Rule(
        id="description-no-when-not",
        severity=Severity.INFO,
        reason="What a tool is not for keeps it from being called for everything.",
        fix="Say what it does not do, and which tool does.",
        each=_when_not,
        on=False,
    ),
    Rule(
        id="side-effect-untold",
        severity=Severity.WARNING,
        reason="A model that does not read of a lasting effect calls the tool to try it.",
        fix="Say what changes, and whether it can be taken back.",
        each=_untold_effect,
        on=False,
    ),
    Rule(
        id="parameter-undescribed",
        severity=Severity.WARNING,
        reason="A model guesses what it is not told.",
        fix="Say what the value is, where it comes from, its unit or format.",
        each=_undocumented,
        on=False,
    ),
    Rule(
        id="parameter-repeats-name",
        severity=Severity.INFO,
        reason="A description that repeats the name costs tokens and says nothing.",
        fix="Say where the value comes from, its unit or format, or leave the description out.",
        each=_echo,
        on=False,
    ),
    Rule(
        id="unit-missing",
        severity=Severity.WARNING,
        reason="Seconds or milliseconds, metres or miles: a model guesses, and nothing fails.",
        fix="Write the unit into the name or the description.",
        each=_unit,
        on=False,
    ),
    Rule(
        id="format-missing",
        severity=Severity.WARNING,
        reason="Dates are written in many ways, and models use all of them.",
        fix='Say it by `format`, such as "date" or "date-time", or show an example.',
        each=_format,
    ),
    Rule(
        id="example-missing",
        severity=Severity.INFO,
        reason="A language has dialects; one example shows which is meant.",
        fix="Show one value, in the description or as `examples`.",
        each=_example,
    ),
)
