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
