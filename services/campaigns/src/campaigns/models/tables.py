"""What the mapped classes of this service share."""

from shared.database import TypedColumns, service_metadata
from sqlalchemy.orm import DeclarativeBase


class Base(TypedColumns, DeclarativeBase):
    metadata = service_metadata()
