"""The tables of the audit store, one definition for SQLite and PostgreSQL.

Times are integers: `issued_at`, `at` and the like in microseconds since 1970 UTC, `not_before` and `not_after` in
seconds. Hashes and serials are raw octets. JSON is text in RFC 8785 form, because the leaf hash covers its octets.
"""

from typing import Final

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
)
from sqlalchemy.dialects import postgresql

METADATA: Final = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    }
)

# SQLite makes only a column of type INTEGER an alias of the rowid, which spares an index.
_INDEX = BigInteger().with_variant(Integer, "sqlite")
# Byte order: what the database sorts and compares is then what Python does.
_BYTEWISE = Text().with_variant(postgresql.TEXT(collation="C"), "postgresql")

ISSUERS: Final = Table(
    "issuers",
    METADATA,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("certificate_sha256", LargeBinary(32), nullable=False, unique=True),
    Column("key_sha256", LargeBinary(32), nullable=False),
    # DER, issuer first and root last, one after the other: DER says where each ends.
    Column("chain", LargeBinary, nullable=False),
    Column("added_at", BigInteger, nullable=False),
)

CERTIFICATES: Final = Table(
    "certificates",
    METADATA,
    Column("log_index", _INDEX, primary_key=True, autoincrement=False),
    Column("leaf_version", Integer, nullable=False),
    Column("serial", LargeBinary(20), nullable=False, unique=True),
    Column("registration_id", Text, nullable=False),
    Column("registration_key", _BYTEWISE, nullable=False),
    Column("generation", Integer, nullable=False),
    Column("replacement_reason", Text),
    Column("replaces", LargeBinary(20)),
    Column("station", Text, nullable=False),
    Column("line", Text, nullable=False),
    Column("request_id", Text, nullable=False),
    Column("request_sha256", LargeBinary(32), nullable=False),
    Column("work_order", Text),
    Column("lot", Text),
    Column("profile", Text, nullable=False),
    Column("attributes", Text),
    Column("issuer_id", Integer, ForeignKey("issuers.id"), nullable=False),
    Column("not_before", BigInteger, nullable=False),
    Column("not_after", BigInteger, nullable=False),
    Column("issued_at", BigInteger, nullable=False),
    Column("csr_sha256", LargeBinary(32), nullable=False),
    Column("spki_sha256", LargeBinary(32), nullable=False),
    Column("certificate_sha256", LargeBinary(32), nullable=False),
    Column("certificate", LargeBinary, nullable=False),
    UniqueConstraint("registration_key", "generation"),
    UniqueConstraint("station", "request_id"),
    CheckConstraint(
        "generation >= 1 AND (generation = 1) = (replacement_reason IS NULL) AND (generation = 1) = (replaces IS NULL)",
        name="generation",
    ),
    Index(None, "station", "log_index"),
    Index(None, "line", "log_index"),
    Index(None, "work_order", "log_index"),
    Index(None, "issued_at"),
    Index(None, "spki_sha256"),
)

EVENTS: Final = Table(
    "events",
    METADATA,
    Column("log_index", _INDEX, primary_key=True, autoincrement=False),
    Column("leaf_version", Integer, nullable=False),
    Column("kind", Text, nullable=False),
    Column("serial", LargeBinary(20)),
    Column("registration_key", _BYTEWISE),
    Column("station", Text),
    Column("actor", Text),
    Column("reason", Text),
    Column("detail", Text),
    Column("at", BigInteger, nullable=False),
    CheckConstraint("detail IS NULL OR length(detail) <= 1024", name="detail"),
    Index(None, "at"),
    Index(None, "kind", "log_index"),
    Index(None, "station", "log_index"),
    Index(None, "registration_key", "log_index"),
)

WORK_ORDERS: Final = Table(
    "work_orders",
    METADATA,
    Column("name", _BYTEWISE, primary_key=True),
    Column("lines", Text, nullable=False),
    Column("profile", Text, nullable=False),
    Column("quantity", BigInteger, nullable=False),
    Column("issued", BigInteger, nullable=False),
    Column("replacement_limit", BigInteger, nullable=False),
    Column("replacements", BigInteger, nullable=False),
    Column("registration_id_patterns", Text, nullable=False),
    Column("expected_devices", BigInteger, nullable=False),
    Column("state", Text, nullable=False),
    Column("open_time", BigInteger, nullable=False),
    Column("close_time", BigInteger),
    Column("revision", Integer, nullable=False),
    CheckConstraint("issued <= quantity AND replacements <= replacement_limit", name="counts"),
)

EXPECTED_DEVICES: Final = Table(
    "expected_devices",
    METADATA,
    Column("work_order", _BYTEWISE, ForeignKey("work_orders.name"), primary_key=True),
    Column("registration_key", _BYTEWISE, primary_key=True),
    Column("spki_sha256", LargeBinary(32)),
)

LOG_HEAD: Final = Table(
    "log_head",
    METADATA,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("size", BigInteger, nullable=False),
    Column("last_at", BigInteger, nullable=False),
    Column("frontier", LargeBinary, nullable=False),
    Column("root", LargeBinary(32), nullable=False),
    CheckConstraint("id = 1", name="single"),
)

LOG_NODES: Final = Table(
    "log_nodes",
    METADATA,
    Column("level", Integer, primary_key=True, autoincrement=False),
    Column("idx", BigInteger, primary_key=True, autoincrement=False),
    Column("hash", LargeBinary(32), nullable=False),
)

CHECKPOINTS: Final = Table(
    "checkpoints",
    METADATA,
    Column("size", _INDEX, primary_key=True, autoincrement=False),
    Column("root", LargeBinary(32), nullable=False),
    Column("note", Text, nullable=False),
    Column("published_at", BigInteger, nullable=False),
)
