"""What can go wrong in contacts beyond the shared errors; every message is one sentence that says what to do.

Invalid
├── FileRefused          the uploaded file is no list that can be read
│   └── WrongColumns     it can be read, but does not hold what the chosen preset needs
TooLarge
└── FileTooLarge
Conflict
├── PhoneTaken           another active contact has this phone
├── PropertyExists       another property has this APN, or is known by this address
├── ImportNotReady       the import is not in the state that this step needs
├── MappingNeeded        no column says where the phone is
└── NotMergeable         the two contacts cannot become one
"""

from shared.errors import Conflict, Invalid, TooLarge


class FileRefused(Invalid):
    code = "file_refused"
    request_field = "body"


class WrongColumns(FileRefused):
    code = "wrong_columns"


class FileTooLarge(TooLarge):
    code = "file_too_large"


class PhoneTaken(Conflict):
    code = "phone_taken"


class PropertyExists(Conflict):
    code = "property_exists"


class ImportNotReady(Conflict):
    code = "import_not_ready"


class MappingNeeded(Conflict):
    code = "mapping_needed"


class NotMergeable(Conflict):
    code = "not_mergeable"
