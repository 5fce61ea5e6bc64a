"""The declarative base of messaging's tables."""

from shared.database import TypedColumns, service_metadata
from sqlalchemy.orm import DeclarativeBase


class Base(TypedColumns, DeclarativeBase):
    metadata = service_metadata()
