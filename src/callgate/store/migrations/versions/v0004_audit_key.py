"""The audit without an index over keys: nothing looks for one, and every effect paid for it.

Of the pages that an effect writes, three of thirteen were this index's.
"""

from __future__ import annotations

from alembic import op

revision = "0004_audit_key"
down_revision = "0003_controls"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Drop the index."""
    op.drop_index(op.f("ix_audit_key"), table_name="audit")
