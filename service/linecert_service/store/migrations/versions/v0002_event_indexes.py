"""Events by time, kind, station and device: what `ListEvents` asks for."""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply the change."""
    op.create_index(op.f("ix_events_at"), "events", ["at"], unique=False)
    op.create_index(op.f("ix_events_kind_log_index"), "events", ["kind", "log_index"], unique=False)
    op.create_index(op.f("ix_events_station_log_index"), "events", ["station", "log_index"], unique=False)
    op.create_index(
        op.f("ix_events_registration_key_log_index"), "events", ["registration_key", "log_index"], unique=False
    )
