"""What secrets look like, for whatever is written down to be read by others."""

from __future__ import annotations

import re

__all__ = ["SECRETS"]

SECRETS: tuple[re.Pattern[str], ...] = (
    re.compile(r"\b(?:sk|pk|rk|gsk|xai|hf|ghp|gho|ghs|glpat)[-_][A-Za-z0-9_-]{16,}"),
    re.compile(r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b"),
    re.compile(r"\bAIza[0-9A-Za-z_-]{30,}"),
    re.compile(r"\bBearer [A-Za-z0-9._~+/-]{16,}=*"),
    re.compile(r"\beyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]*"),
)
"""What the keys of well-known providers look like."""
