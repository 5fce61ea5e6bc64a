"""What we mean to write into QuickBooks: each write is a row before it is a request."""

from datetime import datetime
from uuid import UUID

from shared.database import Identified, str_enum
from sqlalchemy import BigInteger, Identity, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from billing.models.tables import Base
from billing.states import PushKind, PushState


class Push(Base, Identified):
    """An intent. `request_id` and `body` are committed before the first try and stay the same for every further one; of
    an e-mail, which has none, `body` says when the form was last sent.

    Times but `created_at` and `settled_at` are security time.
    """

    __tablename__ = "push"
    __table_args__ = (
        Index("ix_push_pending", "seq", postgresql_where=text("state = 'pending'")),
        Index("ix_push_target", "target_id", "seq"),
        Index("ix_push_failed", "seq", postgresql_where=text("state = 'failed'")),
    )

    seq: Mapped[int] = mapped_column(BigInteger, Identity(always=True), unique=True)
    """The order in which they were meant: ids of one millisecond have none."""
    realm_id: Mapped[str]
    kind: Mapped[PushKind] = mapped_column(str_enum(PushKind))
    target_id: Mapped[UUID]
    """The customer, estimate or invoice of ours. Pushes of one target go one after the other."""
    after_id: Mapped[UUID | None]
    """Another target that has to be in QuickBooks first: the customer of a form."""
    argument: Mapped[str | None]
    """What else the write says: an e-mail address, the cents that were accepted, a CustomerEdit."""
    state: Mapped[PushState] = mapped_column(str_enum(PushState), default=PushState.PENDING)
    request_id: Mapped[UUID | None]
    body: Mapped[str | None]
    was_unsent: Mapped[bool | None]
    """Of an e-mail: whether none had been sent when this one was first tried."""
    attempts: Mapped[int] = mapped_column(default=0)
    clashes: Mapped[int] = mapped_column(default=0)
    """How often somebody else had changed the target meanwhile."""
    first_tried_at: Mapped[datetime | None]
    leased_until: Mapped[datetime | None]
    next_try_at: Mapped[datetime | None]
    error_code: Mapped[str | None]
    error: Mapped[str | None]
    created_by: Mapped[str]
    created_at: Mapped[datetime]
    settled_at: Mapped[datetime | None]


class NumberSeries(Base):
    """The next number of estimates and of invoices. Its row lock hands them out one by one."""

    __tablename__ = "number_series"

    prefix: Mapped[str] = mapped_column(primary_key=True)
    next_number: Mapped[int]
