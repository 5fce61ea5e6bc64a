"""What may be turned about the QuickBooks side: what nobody outside knows for sure, limits, faults."""

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StrictBool, StrictFloat, StrictInt, StringConstraints

from sandbox.faults import Seconds, Share

DAY = 86_400


class CallFault(StrEnum):
    """What may go wrong with a call of the accounting API. Those named `after_commit` have had their effect."""

    EXPIRED = "expired_token"
    EXPIRED_XML = "expired_token_xml"
    FORBIDDEN = "forbidden"
    NO_PERMISSION = "no_permission"
    THROTTLED = "throttled"
    THROTTLED_XML = "throttled_xml"
    APPLICATION_ERROR = "application_error"
    UNAVAILABLE_HTML = "unavailable_html"
    RESET_BEFORE_COMMIT = "reset_before_commit"
    FAULT_IN_200 = "fault_in_200"
    TRUNCATED_AFTER_COMMIT = "truncated_after_commit"
    ERROR_AFTER_COMMIT = "error_after_commit"
    RESET_AFTER_COMMIT = "reset_after_commit"
    TIMEOUT_AFTER_COMMIT = "timeout_after_commit"

    @property
    def has_effect(self) -> bool:
        return self.value.endswith("after_commit")


class EventFault(StrEnum):
    """What may go wrong with telling an app of a change."""

    MISSING = "missing"
    DUPLICATE = "duplicate"
    LATE = "late"
    REORDERED = "reordered"
    BAD_SIGNATURE = "bad_signature"


class Tokens(BaseModel):
    """Life of tokens. A refresh returns a new value once the present one is `rotation_seconds` old."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    access_seconds: StrictInt = Field(3600, ge=1, le=DAY)
    rotation_seconds: StrictInt = Field(DAY, ge=0, le=100 * DAY)
    idle_seconds: StrictInt = Field(100 * DAY, ge=1, le=1000 * DAY)
    """Reported as `x_refresh_token_expires_in`; both 100 and 101 days were seen."""
    hard_seconds: StrictInt = Field(5 * 365 * DAY, ge=1, le=20 * 365 * DAY)
    after_rotation: Literal["refuse", "revoke_all", "grace"] = "refuse"
    """What presenting the former value does: refused, the winner's tokens die too, or accepted once more."""
    invalid_client_status: Literal[400, 401] = 401
    fails: Literal["before", "after"] | None = None
    """As long as it is set, tokens are answered by a 503: before anything was done, or after it was."""
    consent: Literal["grant", "deny"] = "grant"
    """What the person at the consent page chooses."""


class Limits(BaseModel):
    """Null lifts a limit. A batch counts as one call, and among batches."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    per_second: StrictInt | None = Field(10, ge=1)
    per_minute: StrictInt | None = Field(500, ge=1)
    batch_per_minute: StrictInt | None = Field(40, ge=1)
    retry_after: StrictInt | None = Field(None, ge=0, le=600)
    """Seconds told with a 429; it is not documented, so null."""
    throttled_shape: Literal["json", "xml"] = "json"


class Requests(BaseModel):
    """What is remembered of `requestid`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    retention_seconds: StrictInt = Field(DAY, ge=0, le=1000 * DAY)
    """0: nothing is remembered."""
    differing_body: Literal["replay", "refuse"] = "replay"


class Shapes(BaseModel):
    """How answers look where documents disagree."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    linked_estimate: Literal["Closed", "Converted"] = "Closed"
    has_inactive_in_cdc: StrictBool = False
    has_deleted_suffix: StrictBool = True
    """Whether ` (deleted)` is put behind the name of a customer that is made inactive."""
    cdc_most: StrictInt = Field(1000, ge=1, le=1000)
    cdc_days: StrictInt = Field(30, ge=1, le=30)
    """How far change data capture looks back."""
    cdc_too_old: Literal["6000", "4001", "cut"] = "6000"
    """What it answers to those who ask for more: a fault, or without a word the changes of `cdc_days`."""
    query_too_large: Literal["refuse", "cap"] = "refuse"
    """What a MAXRESULTS over 1000 comes to: 4001, or a page of 1000."""
    has_bare_numbers: StrictBool = True
    """Whether numbers without quotation marks are taken in WHERE; 4000 if not."""
    batch_most: Literal[10, 30, 50] = 30
    event_format: Literal["cloudevents", "old"] = "cloudevents"
    event_data: Literal["empty", "filled", "absent"] = "empty"
    """What CloudEvents of other operations than merges hold as `data`."""
    has_unique_numbers: StrictBool = True
    """Whether a number that is taken is refused with 6140: a preference of the company that its API does not show."""
    closed_books_code: Literal["6200", "6210"] = "6200"
    merged_key: Literal["deletedId", "deletedid"] = "deletedId"
    takes_deposit_off: StrictBool = True
    """Whether an invoice's Deposit lowers its Balance."""
    unit_price_wins: StrictBool = False
    """Whether a line's Amount becomes its quantity times its price where it differs, as outside the US; 6070 if not."""
    sparse_money: Literal["kept", "required", "full"] = "kept"
    """What a sparse update of a payment or a credit memo does with what it omits: keeps it, keeps it but refuses the
    update that lacks what a full one needs (2020), or drops it as a full update does.
    """
    minor_versions: Literal["kept", "lifted"] = "kept"
    """What a minor version below 75, or none, is taken for: what it is, or 75, as Intuit announced for August 2025."""
    application_error_status: Literal[500, 400] = 500
    no_permission_status: Literal[400, 403] = 400
    unauthorized_shape: Literal["json", "xml", "empty"] = "json"
    aging_total: Literal["GrandTotal", "TOTAL"] | None = "GrandTotal"
    """The group that the total row of AgedReceivables is in; null: there is no such row."""
    aging_blank: Literal["", "0.00"] = ""
    """What stands in AgedReceivables where a customer owes nothing of an age."""
    aging_has_credits: StrictBool = False
    """Whether AgedReceivables takes off what was paid or credited and is not applied, at the age of its own date."""


class CallFaults(BaseModel):
    """Which fault strikes a call is a function of the seed, the operation and how often it was asked for."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    seed: StrictInt = 1
    shares: dict[CallFault, Share] = {}
    chosen: dict[str, tuple[CallFault | None, ...]] = {}
    """By operation (`create invoice`, `query`, `read customer`): the faults of its next calls, in order."""
    hang_seconds: StrictFloat = Field(60, ge=0, le=600)


class EventFaults(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    seed: StrictInt = 1
    shares: dict[EventFault, Share] = {}
    late_seconds: Seconds = 3600.0
    reorder_seconds: Seconds = 30.0


class QuickBooksControls(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    tokens: Tokens = Tokens()
    limits: Limits = Limits()
    requests: Requests = Requests()
    shapes: Shapes = Shapes()
    calls: CallFaults = CallFaults()
    events: EventFaults = EventFaults()
    webhook_url: Annotated[str, StringConstraints(max_length=2000, pattern=r"^(https?://[^\s\x00]+)?$")] | None = None
    """Where the app hears of changes; empty: nowhere; null: where the settings say."""
