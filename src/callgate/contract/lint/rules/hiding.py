"""What a description says to the model behind the back of who reads it."""

from __future__ import annotations

import re
from collections.abc import Iterator

from callgate.contract.lint.finding import Edit, Severity
from callgate.contract.lint.rule import Hit, Rule
from callgate.contract.lint.subject import Subject
from callgate.contract.lint.words import has

__all__ = ["RULES"]

_INJECTION = re.compile(
    r"\b(?:ignore|disregard|forget|override)\s+(?:all\s+|any\s+|the\s+|your\s+|previous\s+|prior\s+|"
    r"above\s+|earlier\s+)+(?:instructions?|prompts?|rules|messages|context|guidelines)\b|"
    r"<\s*/?\s*(?:important|system|secret|instructions?|hidden|admin|critical)\s*>|"
    r"\bdo\s+not\s+(?:tell|inform|mention|show|reveal|notify|alert)\b[^.\n]{0,40}\buser\b|"
    r"\bwithout\s+(?:telling|informing|notifying|asking|mentioning\s+(?:it|this)\s+to)\s+the\s+user\b|"
    r"\b(?:never|don't)\s+(?:tell|inform|mention\s+(?:this|it)\s+to)\s+the\s+user\b|"
    r"\bbefore\s+(?:using|calling)\s+(?:any|other|all|every)\s+(?:other\s+)?tools?\b|"
    r"\byou\s+(?:must|have\s+to|are\s+required\s+to)\s+(?:always\s+|first\s+)*(?:call|use|invoke|run|read)"
    r"\s+(?:this|the)\s+(?:tool|function)\s+(?:first|before)\b|"
    r"\bsystem\s+prompt\b|\byou\s+are\s+now\b|\bnew\s+instructions?\s*:|\bjailbreak\b|"
    r"~/\.(?:ssh|aws|cursor|config)\b|\bid_rsa\b|/etc/(?:passwd|shadow)\b|"
    r"\b(?:pass|send|include|put|attach)\b[^.\n]{0,60}\b(?:conversation\s+history|chat\s+history|"
    r"contents\s+of\s+(?:the\s+)?file|api\s+keys?|environment\s+variables)\b[^.\n]{0,40}"
    r"\b(?:parameter|argument|field|sidenote|note)\b",
    re.IGNORECASE,
)
_INVISIBLE = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180e\u200b\u200e\u200f\u202a-\u202e"
    "\u2060-\u206f\u3164\ufeff\uffa0\ufff9-\ufffb\U000e0000-\U000e0fff"
    "\x00-\x08\x0b\x0c\x0e-\x1f\x7f]"
)
_LETTERS = re.compile(r"[^\W\d_]{2,}")
_LOOKALIKE = frozenset(
    # Cyrillic, then Greek letters that are drawn as Latin ones are.
    "\u0430\u0435\u043e\u0440\u0441\u0443\u0445\u0456\u0458\u0455\u0501\u051b\u051d\u04bb"
    "\u0410\u0412\u0415\u041a\u041c\u041d\u041e\u0420\u0421\u0422\u0425\u0406\u0408\u0405"
    "\u03bf\u03c1\u03bd\u0391\u0392\u0395\u0396\u0397\u0399\u039a\u039c\u039d\u039f\u03a1\u03a4"
    "\u03a5\u03a7"
)


def _injected(subject: Subject) -> Iterator[Hit]:
    for path, text in subject.texts:
        if seen := has(_INJECTION, text):
            yield Hit(
                subject=subject,
                path=path,
                words="The description gives orders that have nothing to do with the call.",
                evidence=seen,
            )


def _invisible(subject: Subject) -> Iterator[Hit]:
    for path, text in (("name", subject.tool.name), *subject.texts):
        found = _INVISIBLE.findall(text)
        if not found:
            continue
        steps = subject.steps(path)
        clean = _INVISIBLE.sub("", text)
        shown = ", ".join(f"U+{ord(sign):04X}" for sign in dict.fromkeys(found))
        yield Hit(
            subject=subject,
            path=path,
            words=f"{len(found)} characters are invisible to people and read by models.",
            evidence=shown,
            edits=() if steps is None else (Edit(steps=steps, value=clean),),
        )


def _confusable(subject: Subject) -> Iterator[Hit]:
    names = [("name", subject.tool.name), *((p.path, p.name) for p in subject.parameters)]
    for path, text in (*names, *subject.texts):
        for word in _LETTERS.findall(text) if not text.isascii() else ():
            odd = [sign for sign in word if sign in _LOOKALIKE]
            latin = sum(sign.isascii() for sign in word)
            # Most of the word is Latin: a word of another script, or a formula, is none.
            if odd and latin * 2 >= len(word):
                yield Hit(
                    subject=subject,
                    path=path,
                    words="A word mixes Latin letters with others that look like them: "
                    f"{', '.join(f'U+{ord(sign):04X}' for sign in dict.fromkeys(odd))}.",
                    evidence=word.encode("unicode_escape").decode(),
                )
                break


RULES = (
    Rule(
        id="injection",
        severity=Severity.ERROR,
        reason="Text of a tool that instructs the model acts with the user's rights.",
        fix="Take the sentence out; do not use a foreign tool that has one.",
        each=_injected,
    ),
    Rule(
        id="invisible-characters",
        severity=Severity.ERROR,
        reason="What a person cannot see, nobody has approved.",
        fix="Remove the characters.",
        each=_invisible,
    ),
    Rule(
        id="confusable-letters",
        severity=Severity.ERROR,
        reason="A name that looks like another passes a review and is another tool.",
        fix="Write the word in one script.",
        each=_confusable,
    ),
)
