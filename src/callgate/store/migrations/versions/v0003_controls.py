"""Controls that processes share, and the kill switch."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003_controls"
down_revision = "0002_approvals"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "controls",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("changed", sa.Double, nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_controls")),
    )
    op.create_index(op.f("ix_controls_changed"), "controls", ["changed"], unique=False)
    op.create_table(
        "switches",
        sa.Column("tool", sa.Text(), nullable=False),
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("everyone", sa.Boolean(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("at", sa.Double, nullable=False),
        sa.PrimaryKeyConstraint("tool", "tenant", "everyone", name=op.f("pk_switches")),
    )
