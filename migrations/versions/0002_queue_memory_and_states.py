"""What queues remember of each task, refused answers, and two more states of the ledger."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

STATES = ("intent", "asked", "answered", "stale")


def upgrade() -> None:
    op.create_table(
        "remembered",
        sa.Column("queue", sa.String(), nullable=False),
        sa.Column("dataset", sa.String(), nullable=False),
        sa.Column("branch", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("queue", "dataset", "branch", "kind", "name", name="pk_remembered"),
    )
    _allow(*STATES, "gone", "dropped")


def downgrade() -> None:
    op.execute("UPDATE asked SET state = 'stale' WHERE state IN ('gone', 'dropped')")
    _allow(*STATES)
    op.drop_table("remembered")


def _allow(*states: str) -> None:
    names = ", ".join(f"'{state}'" for state in states)
    with op.batch_alter_table("asked") as table:
        table.drop_constraint(op.f("ck_asked_state"), type_="check")
        table.create_check_constraint(op.f("ck_asked_state"), f"state IN ({names})")
