"""Members, tokens, sessions, sign-in codes, kept replies, and a log that only grows."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

TABLES = ("reply", "write_log", "session", "sign_in_code", "token", "member")


def upgrade() -> None:
    op.create_table(
        "member",
        *_texts("user", "repository", "role"),
        sa.PrimaryKeyConstraint("user", "repository", name="pk_member"),
    )
    op.create_table(
        "token",
        *_texts("id", "digest", "user", "scope"),
        sa.Column("note", sa.Text(), nullable=False),
        *_times("created", "expires"),
        *_times("used", "revoked", nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_token"),
    )
    op.create_table(
        "sign_in_code",
        *_texts("digest", "user"),
        *_times("expires"),
        sa.PrimaryKeyConstraint("digest", name="pk_sign_in_code"),
    )
    op.create_table(
        "session",
        *_texts("digest", "user"),
        *_times("created", "fresh_until", "expires"),
        sa.PrimaryKeyConstraint("digest", name="pk_session"),
    )
    op.create_index("ix_session_user", "session", ["user"])
    op.create_table(
        "write_log",
        sa.Column("number", sa.Integer(), nullable=False, autoincrement=False),
        *_times("time"),
        *_texts("user", "via", "request", "repository", "act", "state"),
        sa.Column("detail", sa.Text(), nullable=False),
        *_texts("before", "hash"),
        sa.PrimaryKeyConstraint("number", name="pk_write_log"),
    )
    op.create_index("ix_write_log_repository", "write_log", ["repository"])
    op.create_table(
        "reply",
        *_texts("user", "key", "fingerprint"),
        *_times("time"),
        sa.Column("status", sa.Integer(), nullable=False),
        sa.Column("headers", sa.Text(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("user", "key", name="pk_reply"),
    )
    op.create_index("ix_reply_time", "reply", ["time"])
    for statement in _only_grows():
        op.execute(statement)


def downgrade() -> None:
    for table in TABLES:
        op.drop_table(table)
    if op.get_bind().dialect.name == "postgresql":
        op.execute("DROP FUNCTION write_log_only_grows()")


def _texts(*names: str) -> list[sa.Column[Any]]:
    return [sa.Column(name, sa.String(), nullable=False) for name in names]


def _times(*names: str, nullable: bool = False) -> list[sa.Column[Any]]:
    return [sa.Column(name, sa.DateTime(timezone=True), nullable=nullable) for name in names]


def _only_grows() -> list[str]:
    """What lets the database refuse to change or remove an entry of the log."""
    if op.get_bind().dialect.name == "postgresql":
        return [
            "CREATE FUNCTION write_log_only_grows() RETURNS trigger LANGUAGE plpgsql AS "
            "$$ BEGIN RAISE EXCEPTION 'the log only grows'; END $$",
            "CREATE TRIGGER write_log_only_grows BEFORE UPDATE OR DELETE OR TRUNCATE ON write_log "
            "FOR EACH STATEMENT EXECUTE FUNCTION write_log_only_grows()",
        ]
    return [
        f"CREATE TRIGGER write_log_no_{act} BEFORE {act.upper()} ON write_log "
        "BEGIN SELECT RAISE(ABORT, 'the log only grows'); END"
        for act in ("update", "delete")
    ]
