"""The first schema, with the guards against alteration and an empty log."""

import sqlalchemy as sa
from alembic import op

from linecert.transparency import EMPTY_ROOT
from linecert_service.store import guards

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply the change."""
    op.create_table(
        "checkpoints",
        sa.Column("size", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=False, nullable=False),
        sa.Column("root", sa.LargeBinary(length=32), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("published_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("size", name=op.f("pk_checkpoints")),
    )
    op.create_table(
        "events",
        sa.Column(
            "log_index", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=False, nullable=False
        ),
        sa.Column("leaf_version", sa.Integer(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("serial", sa.LargeBinary(length=20), nullable=True),
        sa.Column("registration_key", sa.Text().with_variant(sa.TEXT(collation="C"), "postgresql"), nullable=True),
        sa.Column("station", sa.Text(), nullable=True),
        sa.Column("actor", sa.Text(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("detail", sa.Text(), nullable=True),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("detail IS NULL OR length(detail) <= 1024", name=op.f("ck_events_detail")),
        sa.PrimaryKeyConstraint("log_index", name=op.f("pk_events")),
    )
    op.create_table(
        "issuers",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("certificate_sha256", sa.LargeBinary(length=32), nullable=False),
        sa.Column("key_sha256", sa.LargeBinary(length=32), nullable=False),
        sa.Column("chain", sa.LargeBinary(), nullable=False),
        sa.Column("added_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_issuers")),
        sa.UniqueConstraint("certificate_sha256", name=op.f("uq_issuers_certificate_sha256")),
    )
    op.create_table(
        "log_head",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("last_at", sa.BigInteger(), nullable=False),
        sa.Column("frontier", sa.LargeBinary(), nullable=False),
        sa.Column("root", sa.LargeBinary(length=32), nullable=False),
        sa.CheckConstraint("id = 1", name=op.f("ck_log_head_single")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_log_head")),
    )
    op.create_table(
        "log_nodes",
        sa.Column("level", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("idx", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("hash", sa.LargeBinary(length=32), nullable=False),
        sa.PrimaryKeyConstraint("level", "idx", name=op.f("pk_log_nodes")),
    )
    op.create_table(
        "work_orders",
        sa.Column("name", sa.Text().with_variant(sa.TEXT(collation="C"), "postgresql"), nullable=False),
        sa.Column("lines", sa.Text(), nullable=False),
        sa.Column("profile", sa.Text(), nullable=False),
        sa.Column("quantity", sa.BigInteger(), nullable=False),
        sa.Column("issued", sa.BigInteger(), nullable=False),
        sa.Column("replacement_limit", sa.BigInteger(), nullable=False),
        sa.Column("replacements", sa.BigInteger(), nullable=False),
        sa.Column("registration_id_patterns", sa.Text(), nullable=False),
        sa.Column("expected_devices", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("open_time", sa.BigInteger(), nullable=False),
        sa.Column("close_time", sa.BigInteger(), nullable=True),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.CheckConstraint(
            "issued <= quantity AND replacements <= replacement_limit", name=op.f("ck_work_orders_counts")
        ),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_work_orders")),
    )
    op.create_table(
        "certificates",
        sa.Column(
            "log_index", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=False, nullable=False
        ),
        sa.Column("leaf_version", sa.Integer(), nullable=False),
        sa.Column("serial", sa.LargeBinary(length=20), nullable=False),
        sa.Column("registration_id", sa.Text(), nullable=False),
        sa.Column("registration_key", sa.Text().with_variant(sa.TEXT(collation="C"), "postgresql"), nullable=False),
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.Column("replacement_reason", sa.Text(), nullable=True),
        sa.Column("replaces", sa.LargeBinary(length=20), nullable=True),
        sa.Column("station", sa.Text(), nullable=False),
        sa.Column("line", sa.Text(), nullable=False),
        sa.Column("request_id", sa.Text(), nullable=False),
        sa.Column("request_sha256", sa.LargeBinary(length=32), nullable=False),
        sa.Column("work_order", sa.Text(), nullable=True),
        sa.Column("lot", sa.Text(), nullable=True),
        sa.Column("profile", sa.Text(), nullable=False),
        sa.Column("attributes", sa.Text(), nullable=True),
        sa.Column("issuer_id", sa.Integer(), nullable=False),
        sa.Column("not_before", sa.BigInteger(), nullable=False),
        sa.Column("not_after", sa.BigInteger(), nullable=False),
        sa.Column("issued_at", sa.BigInteger(), nullable=False),
        sa.Column("csr_sha256", sa.LargeBinary(length=32), nullable=False),
        sa.Column("spki_sha256", sa.LargeBinary(length=32), nullable=False),
        sa.Column("certificate_sha256", sa.LargeBinary(length=32), nullable=False),
        sa.Column("certificate", sa.LargeBinary(), nullable=False),
        sa.CheckConstraint(
            "generation >= 1 AND (generation = 1) = (replacement_reason IS NULL) "
            "AND (generation = 1) = (replaces IS NULL)",
            name=op.f("ck_certificates_generation"),
        ),
        sa.ForeignKeyConstraint(["issuer_id"], ["issuers.id"], name=op.f("fk_certificates_issuer_id")),
        sa.PrimaryKeyConstraint("log_index", name=op.f("pk_certificates")),
        sa.UniqueConstraint("registration_key", "generation", name=op.f("uq_certificates_registration_key_generation")),
        sa.UniqueConstraint("serial", name=op.f("uq_certificates_serial")),
        sa.UniqueConstraint("station", "request_id", name=op.f("uq_certificates_station_request_id")),
    )
    op.create_index(op.f("ix_certificates_issued_at"), "certificates", ["issued_at"], unique=False)
    op.create_index(op.f("ix_certificates_line_log_index"), "certificates", ["line", "log_index"], unique=False)
    op.create_index(op.f("ix_certificates_spki_sha256"), "certificates", ["spki_sha256"], unique=False)
    op.create_index(op.f("ix_certificates_station_log_index"), "certificates", ["station", "log_index"], unique=False)
    op.create_index(
        op.f("ix_certificates_work_order_log_index"), "certificates", ["work_order", "log_index"], unique=False
    )
    op.create_table(
        "expected_devices",
        sa.Column("work_order", sa.Text().with_variant(sa.TEXT(collation="C"), "postgresql"), nullable=False),
        sa.Column("registration_key", sa.Text().with_variant(sa.TEXT(collation="C"), "postgresql"), nullable=False),
        sa.Column("spki_sha256", sa.LargeBinary(length=32), nullable=True),
        sa.ForeignKeyConstraint(["work_order"], ["work_orders.name"], name=op.f("fk_expected_devices_work_order")),
        sa.PrimaryKeyConstraint("work_order", "registration_key", name=op.f("pk_expected_devices")),
    )
    log_head = sa.table("log_head", *map(sa.column, ("id", "size", "last_at", "frontier", "root")))
    op.execute(log_head.insert().values(id=1, size=0, last_at=0, frontier=b"", root=EMPTY_ROOT))
    if op.get_context().dialect.name == "sqlite":
        statements = guards.sqlite_statements()
    else:
        # The head is written anew with each append: room in its page keeps that from growing the table.
        op.execute("ALTER TABLE log_head SET (fillfactor = 10)")
        statements = guards.postgresql_statements()
    for statement in statements:
        op.execute(statement)
