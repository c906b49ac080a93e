"""Runs, refusals, the review ledger and cursors."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "run",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("commit", sa.String(), nullable=False),
        sa.Column("step", sa.String(), nullable=False),
        sa.Column("branch", sa.String(), nullable=False),
        sa.Column("time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("figures", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_run"),
    )
    op.create_index("ix_run_commit", "run", ["commit"])
    op.create_index("ix_run_time", "run", ["time"])
    op.create_table(
        "refusal",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("into", sa.String(), nullable=False),
        sa.Column("branch", sa.String(), nullable=False),
        sa.Column("source", sa.String(), nullable=False),
        sa.Column("time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("verdict", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_refusal"),
    )
    op.create_index("ix_refusal_source", "refusal", ["source"])
    op.create_index("ix_refusal_time", "refusal", ["time"])
    op.create_table(
        "asked",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("queue", sa.String(), nullable=False),
        sa.Column("dataset", sa.String(), nullable=False),
        sa.Column("branch", sa.String(), nullable=False),
        sa.Column("batch", sa.String(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("row_hash", sa.String(), nullable=False),
        sa.Column("state", _STATE, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_asked"),
        sa.UniqueConstraint(
            "queue", "dataset", "branch", "key", name="uq_asked_queue_dataset_branch_key"
        ),
    )
    op.create_index("ix_asked_batch", "asked", ["batch"])
    op.create_table(
        "cursor",
        sa.Column("queue", sa.String(), nullable=False),
        sa.Column("dataset", sa.String(), nullable=False),
        sa.Column("branch", sa.String(), nullable=False),
        sa.Column("cursor", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("queue", "dataset", "branch", name="pk_cursor"),
    )


def downgrade() -> None:
    for table in ("cursor", "asked", "refusal", "run"):
        op.drop_table(table)


_STATE = sa.Enum(
    "intent",
    "asked",
    "answered",
    "stale",
    name="state",
    native_enum=False,
    create_constraint=True,
)
