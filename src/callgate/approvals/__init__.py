"""Approvals: which calls need a person, what people say, and that it holds for that one call.

    need        how many people, in which roles, until when
    predicate   conditions over arguments, parsed to data
    rules       which calls need a person; others are approved by their arguments alone
    records     approvals and grants, and what an approval is bound to
    ledger      what a decision makes of an approval
    keeping     the protocol of stores; `memory` is one of them
    desk        `Approvals`: list, approve, deny, change, grant, revoke
    links       signed links that carry one decision of one person

The stage `approve` asks and verifies; the journal uses an approval up when it claims the call.
"""

from __future__ import annotations

from callgate.approvals.desk import Approvals, Verdict
from callgate.approvals.ledger import Authority, RoleAuthority
from callgate.approvals.memory import MemoryApprovals
from callgate.approvals.need import Escalation, Need
from callgate.approvals.records import Approval, Grant, Standing
from callgate.approvals.rules import ApprovalRules, Rule, Rules

__all__ = [
    "Approval",
    "ApprovalRules",
    "Approvals",
    "Authority",
    "Escalation",
    "Grant",
    "MemoryApprovals",
    "Need",
    "RoleAuthority",
    "Rule",
    "Rules",
    "Standing",
    "Verdict",
]
