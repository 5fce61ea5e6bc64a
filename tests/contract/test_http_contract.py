"""Generated requests against every HTTP boundary: no 5xx, and no answer that its document does not promise."""

from schemathesis import Case

from contract.boundaries import DOCUMENTS, PROVIDER_DESCRIPTION, Boundary
from contract.fuzzing import FUZZED, description, hold, unsupported_method

CONTACTS = description(DOCUMENTS["contacts"])
CAMPAIGNS = description(DOCUMENTS["campaigns"])
MESSAGING = description(DOCUMENTS["messaging"])
# Whoever disconnects only meets 409 from there on: that is asked of a billing of its own.
BILLING = description(DOCUMENTS["billing"], without="^/api/v1/quickbooks/disconnect$")
DISCONNECTED = description(DOCUMENTS["billing"])
# A stream is an answer that does not end.
GATEWAY = description(DOCUMENTS["gateway"], without="^/api/v1/stream$")
SANDBOX = description(DOCUMENTS["sandbox"])
OPENPHONE = description(PROVIDER_DESCRIPTION)
ENOUGH, MOST_FILLED = 120, 50_000


@CONTACTS.parametrize()
@FUZZED
def test_contacts(case: Case, contacts: Boundary) -> None:
    hold(case, contacts)


@CAMPAIGNS.parametrize()
@FUZZED
def test_campaigns(case: Case, campaigns: Boundary) -> None:
    hold(case, campaigns)


@MESSAGING.parametrize()
@FUZZED
def test_messaging(case: Case, messaging: Boundary) -> None:
    hold(case, messaging)


@BILLING.parametrize()
@FUZZED
def test_billing(case: Case, billing: Boundary) -> None:
    hold(case, billing)


@DISCONNECTED.parametrize()
@FUZZED
def test_billing_without_quickbooks(case: Case, disconnected: Boundary) -> None:
    hold(case, disconnected)


@GATEWAY.parametrize()
@FUZZED
def test_gateway(case: Case, gateway: Boundary) -> None:
    hold(case, gateway)


@SANDBOX.parametrize()
@FUZZED
def test_controls_of_the_sandbox(case: Case, sandbox: Boundary) -> None:
    if case.path.endswith("/fill") and isinstance(case.body, dict):
        # The most that may be asked for takes half a minute each time, and whoever comes next waits for it.
        for name, value in case.body.items():
            if isinstance(value, int) and ENOUGH < value <= MOST_FILLED:
                case.body[name] = ENOUGH
    hold(case, sandbox)


@OPENPHONE.parametrize()
@FUZZED
def test_providers_surface_of_the_sandbox(case: Case, provider: Boundary) -> None:
    # Its server answers a wrong method as it does an unknown path: with an HTML page and 404.
    hold(case, provider, excluded_checks=[unsupported_method])
