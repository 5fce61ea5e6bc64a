"""An import: its job, the uploaded bytes, the staged rows, and what became of each row and record."""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from shared.database import Identified, Versioned, str_enum
from shared.errors import InvalidTransition
from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, LargeBinary, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from contacts.importing.columns import Preset
from contacts.importing.plan import Duplicates, Outcome
from contacts.models.metadata import Base


class ImportStatus(StrEnum):
    AWAITING_FILE = "awaiting_file"
    READY = "ready"
    QUEUED = "queued"
    RUNNING = "running"
    COMPLETED = "completed"
    CANCELLED = "cancelled"
    FAILED = "failed"


TRANSITIONS: dict[ImportStatus, set[ImportStatus]] = {
    ImportStatus.AWAITING_FILE: {ImportStatus.READY, ImportStatus.CANCELLED},
    # Another file may be uploaded as long as the import is not confirmed.
    ImportStatus.READY: {ImportStatus.READY, ImportStatus.QUEUED, ImportStatus.CANCELLED},
    ImportStatus.QUEUED: {ImportStatus.RUNNING, ImportStatus.CANCELLED, ImportStatus.FAILED},
    ImportStatus.RUNNING: {ImportStatus.COMPLETED, ImportStatus.CANCELLED, ImportStatus.FAILED},
    ImportStatus.COMPLETED: set(),
    ImportStatus.CANCELLED: set(),
    ImportStatus.FAILED: set(),
}
OPEN_STATUSES = (ImportStatus.QUEUED, ImportStatus.RUNNING)
MAX_TRIES = 3


class ImportJob(Identified, Versioned, Base):
    """`next_row` is the cursor: it moves in the transaction that stores the rows before it."""

    __tablename__ = "import_job"
    __table_args__ = (
        Index("ix_import_job_open", "updated_at", postgresql_where=text("status IN ('queued', 'running')")),
        CheckConstraint(
            "created_rows + updated_rows + unchanged_rows + rejected_rows = next_row - 1", name="counts_add_up"
        ),
    )

    name: Mapped[str]
    filename: Mapped[str]
    preset: Mapped[Preset] = mapped_column(str_enum(Preset))
    duplicates: Mapped[Duplicates] = mapped_column(str_enum(Duplicates))
    status: Mapped[ImportStatus] = mapped_column(str_enum(ImportStatus), default=ImportStatus.AWAITING_FILE)
    file_id: Mapped[UUID | None] = mapped_column(ForeignKey("import_file.id", use_alter=True))
    mapping: Mapped[list[str | None] | None] = mapped_column(JSONB)
    list_id: Mapped[UUID | None] = mapped_column(ForeignKey("contact_list.id", ondelete="SET NULL"))
    next_row: Mapped[int] = mapped_column(default=1)
    created_rows: Mapped[int] = mapped_column(default=0)
    updated_rows: Mapped[int] = mapped_column(default=0)
    unchanged_rows: Mapped[int] = mapped_column(default=0)
    rejected_rows: Mapped[int] = mapped_column(default=0)
    warned_rows: Mapped[int] = mapped_column(default=0)
    # People and properties, all their rows together: what import_record holds, kept because screens ask every second.
    created_contacts: Mapped[int] = mapped_column(default=0)
    updated_contacts: Mapped[int] = mapped_column(default=0)
    unchanged_contacts: Mapped[int] = mapped_column(default=0)
    created_properties: Mapped[int] = mapped_column(default=0)
    updated_properties: Mapped[int] = mapped_column(default=0)
    unchanged_properties: Mapped[int] = mapped_column(default=0)
    failed_tries: Mapped[int] = mapped_column(default=0)
    """How often in a row the next chunk could not be stored."""
    error: Mapped[str | None]
    created_by: Mapped[str]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    confirmed_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]

    def move(self, to: ImportStatus, *, at: datetime) -> None:
        """Raises InvalidTransition where the import is past the state that this needs."""
        if to not in TRANSITIONS[self.status]:
            raise InvalidTransition(f"An import that is {self.status} cannot become {to}.", current=self.status)
        self.status = to
        self.updated_at = at
        if not TRANSITIONS[to]:
            self.finished_at = at
        self.touch()

    def count(self, outcomes: dict[Outcome, int], warned: int) -> None:
        """Move the cursor past rows whose outcomes are stored in this transaction."""
        self.created_rows += outcomes.get(Outcome.CREATED, 0)
        self.updated_rows += outcomes.get(Outcome.UPDATED, 0)
        self.unchanged_rows += outcomes.get(Outcome.UNCHANGED, 0)
        self.rejected_rows += outcomes.get(Outcome.REJECTED, 0)
        self.warned_rows += warned
        self.next_row += sum(outcomes.values())
        self.failed_tries, self.error = 0, None

    def count_records(self, kind: "RecordKind", changes: Mapping[Outcome, int]) -> None:
        """Count what the rows did to contacts or properties; an upgraded one counts -1 and 1."""
        noun = "contacts" if kind is RecordKind.CONTACT else "properties"
        for outcome, change in changes.items():
            name = f"{outcome}_{noun}"
            setattr(self, name, getattr(self, name) + change)

    def record_failure(self, cause: str, *, at: datetime) -> None:
        """The next chunk could not be stored. It is tried again, last in turn; after MAX_TRIES the import ends."""
        self.failed_tries += 1
        self.updated_at = at
        self.error = (
            f"The rows from {self.next_row:,} on could not be stored ({cause}); what was stored before them stays."
        )
        if self.failed_tries >= MAX_TRIES:
            self.move(ImportStatus.FAILED, at=at)


class ImportFile(Identified, Base):
    """An upload. It counts once `import_job.file_id` names it; an unnamed one is an upload that broke off."""

    __tablename__ = "import_file"
    __table_args__ = (Index("ix_import_file_import_id", "import_id"),)

    import_id: Mapped[UUID] = mapped_column(ForeignKey("import_job.id"))
    size_bytes: Mapped[int] = mapped_column(BigInteger, default=0)
    sha256: Mapped[str | None]
    encoding: Mapped[str | None]
    delimiter: Mapped[str | None]
    headers: Mapped[list[str]] = mapped_column(default=list)
    row_count: Mapped[int] = mapped_column(default=0)
    created_at: Mapped[datetime]
    """Security time: a clock that is moved must not make an upload look abandoned."""


class ImportChunk(Base):
    """The uploaded bytes, as they came."""

    __tablename__ = "import_chunk"

    file_id: Mapped[UUID] = mapped_column(ForeignKey("import_file.id", ondelete="CASCADE"), primary_key=True)
    seq: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    content: Mapped[bytes] = mapped_column(LargeBinary)


class ImportRow(Base):
    """A staged record. The cells are a JSON array in bytes, because a text column could not hold a NUL."""

    __tablename__ = "import_row"

    file_id: Mapped[UUID] = mapped_column(ForeignKey("import_file.id", ondelete="CASCADE"), primary_key=True)
    row_number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    line_number: Mapped[int]
    cells: Mapped[bytes] = mapped_column(LargeBinary)
    problem: Mapped[str | None]
    """The code of the rejection that awaits it, whatever its columns mean."""


class ImportOutcome(Base):
    """What became of a row: exactly one of four, by the primary key.

    No foreign key: it is only written under the lock of its import, and a check for each row would slow imports.
    """

    __tablename__ = "import_outcome"
    __table_args__ = (
        Index("ix_import_outcome_rejected", "import_id", "row_number", postgresql_where=text("outcome = 'rejected'")),
        Index("ix_import_outcome_warned", "import_id", "row_number", postgresql_where=text("warnings IS NOT NULL")),
    )

    import_id: Mapped[UUID] = mapped_column(primary_key=True)
    row_number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    outcome: Mapped[Outcome] = mapped_column(str_enum(Outcome))
    reason: Mapped[str | None]
    detail: Mapped[str | None]
    warnings: Mapped[list[str] | None] = mapped_column(JSONB)


class RecordKind(StrEnum):
    CONTACT = "contact"
    PROPERTY = "property"


class ImportRecord(Base):
    """What an import did to a contact or property, all its rows together. No foreign key, as in ImportOutcome."""

    __tablename__ = "import_record"

    import_id: Mapped[UUID] = mapped_column(primary_key=True)
    record_id: Mapped[UUID] = mapped_column(primary_key=True)
    kind: Mapped[RecordKind] = mapped_column(str_enum(RecordKind))
    outcome: Mapped[Outcome] = mapped_column(str_enum(Outcome))
