"""The settings of the contacts service."""

from shared.settings import ServiceSettings

MAX_UPLOAD_BYTES = 2_000_000_000


class ContactsSettings(ServiceSettings):
    max_upload_bytes: int = MAX_UPLOAD_BYTES
    # A workbook is unpacked on disk and its strings are held in memory, so it may be much smaller than a CSV.
    max_workbook_bytes: int = 50_000_000
    max_unpacked_workbook_bytes: int = 600_000_000
    max_import_rows: int = 5_000_000
    import_chunk_rows: int = 2000
