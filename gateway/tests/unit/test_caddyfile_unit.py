"""The Caddyfile: generated from documents, refused where a document opens a hole."""

from typing import Any

import pytest
from gateway.api_documents import DocumentRefused, load_documents
from gateway.caddyfile import Edge, render
from gateway.settings import REPOSITORY


def document(*paths: tuple[str, str, str | None], **extra: Any) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for method, path, permission in paths:
        declared = {"security": [{"bearer": [permission]}]} if permission else {"x-public": True}
        found.setdefault(path, {})[method] = {**declared, **extra}
    return {"paths": found}


EDGE = Edge.with_default_ports()


def test_a_resource_goes_to_the_service_that_declares_it() -> None:
    text = render(EDGE, {"contacts": document(("get", "/api/v1/contacts/{id}", "contacts:read"))})
    assert "@contacts path /api/v1/contacts /api/v1/contacts/*" in text
    assert "import signed_in contacts" in text
    assert "import to_service http://127.0.0.1:18110" in text


def test_internal_operations_get_no_route() -> None:
    text = render(EDGE, {"contacts": document(("get", "/internal/v1/clock", "internal"), ("get", "/readyz", None))})
    assert "@contacts" not in text
    assert "/internal/v1/clock" not in text


@pytest.mark.parametrize(
    "bad",
    [
        {"contacts": document(("get", "/api/v1/contacts", None))},
        {"messaging": document(("post", "/webhooks/x", "messages:write"))},
        {
            "contacts": document(("get", "/api/v1/tags", "tags:read")),
            "campaigns": document(("get", "/api/v1/tags/{id}", "tags:read")),
        },
    ],
)
def test_documents_that_open_a_hole_are_refused(bad: dict[str, Any]) -> None:
    with pytest.raises(DocumentRefused):
        render(EDGE, bad)


def test_uploads_have_their_own_limit() -> None:
    upload = document(("put", "/api/v1/imports/{id}/file", "contacts:write"), **{"x-max-bytes": 2_147_483_648})
    text = render(EDGE, {"contacts": upload})
    assert "path_regexp ^/api/v1/imports/[^/]+/file$" in text
    assert "max_size 2147483648" in text
    assert "max_size 1MiB" in text


def test_what_programs_fetch_again_may_be_kept_if_they_ask_whether_it_holds() -> None:
    feed = document(
        ("get", "/public/calendars/{token}.ics", None), responses={"200": {"content": {"text/calendar": {}}}}
    )
    assert 'header >Cache-Control "private, no-cache"' in render(EDGE, {"billing": feed})
    page = document(("get", "/public/orders/{id}", None), responses={"200": {"content": {"text/html": {}}}})
    assert "private, no-cache" not in render(EDGE, {"billing": page})


def test_pages_behind_a_sign_in_have_the_policy_of_pages() -> None:
    page = document(("get", "/api/v1/orders/{id}", "orders:read"), responses={"200": {"content": {"text/html": {}}}})
    text = render(EDGE, {"billing": page})
    own, resource = text.index("path_regexp ^/api/v1/orders/[^/]+$"), text.index("@billing path")
    assert own < resource, "the first that matches is taken"
    lines = [line.strip() for line in text[own:resource].splitlines()]
    assert lines[3:6] == [
        "import page_headers", "import signed_in billing", "import to_service http://127.0.0.1:18140",
    ]  # fmt: skip


def test_plain_http_is_for_loopback_only() -> None:
    assert "http://:8080" in render(EDGE, {})
    assert "Strict-Transport-Security" not in render(EDGE, {})
    with pytest.raises(DocumentRefused, match="CRM_PUBLIC_HOST"):
        render(Edge(bind="0.0.0.0", upstreams=EDGE.upstreams), {})
    outside = render(Edge(bind="0.0.0.0", port=443, public_host="crm.example.com", upstreams=EDGE.upstreams), {})
    assert "https://crm.example.com:443" in outside
    assert "tls internal" in outside
    assert "Strict-Transport-Security" in outside


def test_in_a_container_it_listens_elsewhere_than_where_it_is_reached() -> None:
    text = render(Edge(listen="0.0.0.0", upstreams=EDGE.upstreams), {})
    assert "bind 0.0.0.0" in text
    assert "http://:8080" in text


def test_a_path_cannot_break_out_of_its_quotes() -> None:
    with pytest.raises(DocumentRefused):
        render(Edge(state='x"\nadmin :2019', upstreams=EDGE.upstreams), {})


def test_the_repositorys_documents_can_be_routed() -> None:
    assert "@gateway path" in render(EDGE, load_documents(REPOSITORY))
