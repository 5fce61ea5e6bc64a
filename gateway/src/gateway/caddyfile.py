"""The Caddyfile, generated from the services' OpenAPI documents: Caddy is the gateway, this only configures it."""

import ipaddress
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from importlib import resources
from string import Template

from gateway.api_documents import Document, DocumentRefused, Operation, operations
from gateway.settings import environment

# Outside of these, an operation may not be public.
PUBLIC_PREFIXES = ("/webhooks/", "/public/")
PUBLIC_OPERATIONS = {("post", "/api/v1/session")}
PLAIN_LIMIT = "1MiB"
_KEPT = "header >Cache-Control no-cache"
"""Of what says nothing of anybody: a browser may keep it, and asks whether it still holds."""
# From CRM_PORT_BASE, on one machine.
OFFSETS = {"contacts": 10, "campaigns": 20, "messaging": 30, "billing": 40, "gateway": 50}

_ASKED_AGAIN = 'header >Cache-Control "private, no-cache"'
"""Of what programs fetch again and again, such as calendars: whoever fetched it asks whether it still holds."""


@dataclass(frozen=True)
class Edge:
    """Where Caddy listens and whom it asks."""

    bind: str = "127.0.0.1"
    """Where it can be reached."""
    listen: str = ""
    """Where it listens, if that is not where it can be reached: inside a container."""
    port: int = 8080
    public_host: str = ""
    """The name or address that browsers use; needed for TLS."""
    tls_certificate: str = ""
    tls_key: str = ""
    state: str = ""
    """Where Caddy keeps what it makes itself (its own certificate authority)."""
    web_root: str = ""
    """The built web UI; without it the gateway app answers pages."""
    upstreams: dict[str, str] = field(default_factory=dict)

    @property
    def is_plain(self) -> bool:
        """Plain http is served on the loopback interface only."""
        return is_loopback(self.bind)

    @classmethod
    def with_default_ports(cls, base: int = 18100) -> "Edge":
        return cls(upstreams={service: f"http://127.0.0.1:{base + offset}" for service, offset in OFFSETS.items()})

    @classmethod
    def from_environment(cls) -> "Edge":
        defaults = cls.with_default_ports(int(environment("PORT_BASE", "18100"))).upstreams
        return cls(
            bind=environment("BIND", "127.0.0.1"),
            listen=environment("LISTEN", ""),
            port=int(environment("PORT", "8080")),
            public_host=environment("PUBLIC_HOST", ""),
            tls_certificate=environment("TLS_CERTIFICATE", ""),
            tls_key=environment("TLS_KEY", ""),
            state=environment("CADDY_STATE", ""),
            web_root=environment("WEB_ROOT", ""),
            upstreams={
                service: environment(f"{service.upper()}_URL", default) for service, default in defaults.items()
            },
        )


def is_loopback(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return address == "localhost"


def render(edge: Edge, documents: dict[str, Document]) -> str:
    """The Caddyfile. Raises DocumentRefused where the documents or the address cannot be served safely."""
    if not edge.is_plain and not edge.public_host:
        raise DocumentRefused(
            f"CRM_BIND={edge.bind} is reachable from outside, which means TLS: set CRM_PUBLIC_HOST to the name that"
            " browsers use."
        )
    declared = [one for service, document in documents.items() for one in operations(service, document)]
    check_public(declared)
    routes = [*_public_routes(declared, edge), *_page_routes(declared, edge), *_resource_routes(declared, edge)]
    template = Template(resources.files("gateway").joinpath("Caddyfile.template").read_text())
    text = template.substitute(
        site=_site(edge),
        bind=edge.listen or edge.bind,
        storage=f"storage file_system {_quoted(edge.state)}" if edge.state else "",
        tls=_tls(edge),
        hsts="" if edge.is_plain else 'Strict-Transport-Security "max-age=31536000; includeSubDomains"',
        uploads=_indented(_upload_limits(declared)),
        routes=_indented(routes),
        pages=_indented(_pages(edge)),
        gateway=edge.upstreams["gateway"],
        authorize=_host(edge.upstreams["gateway"]),
    )
    return re.sub(r"[ \t]+\n", "\n", text)


def check_public(declared: Iterable[Operation]) -> None:
    """Nobody opens a hole by marking an operation public in a service."""
    for one in declared:
        is_allowed = one.path.startswith(PUBLIC_PREFIXES) or (one.method, one.path) in PUBLIC_OPERATIONS
        if one.permission is None and not is_allowed:
            raise DocumentRefused(
                f"{one.method.upper()} {one.path} of {one.service} is public, which only webhooks may be."
            )
        if one.permission is not None and one.path.startswith(PUBLIC_PREFIXES):
            raise DocumentRefused(f"{one.method.upper()} {one.path} asks for a permission at a public address.")


def resources_of(declared: Iterable[Operation]) -> dict[str, str]:
    """`/api/v1/<resource>` to the service that owns it. Two owners of one resource are refused."""
    owners: dict[str, str] = {}
    for one in declared:
        resource = "/".join(one.path.split("/")[:4])
        if one.path.startswith("/api/v1/") and owners.setdefault(resource, one.service) != one.service:
            raise DocumentRefused(f"{resource} is declared by {owners[resource]} and by {one.service}.")
    return dict(sorted(owners.items()))


def _resource_routes(declared: list[Operation], edge: Edge) -> list[str]:
    by_service: dict[str, list[str]] = {}
    for resource, service in resources_of(declared).items():
        by_service.setdefault(service, []).append(resource)
    lines: list[str] = []
    for service, owned in by_service.items():
        matched = " ".join(f"{resource} {resource}/*" for resource in owned)
        lines += [f"@{service} path {matched}", f"handle @{service} {{", f"\timport signed_in {service}"]
        lines += [f"\timport to_{_side(service)} {edge.upstreams[service]}", "}"]
    return lines


def _public_routes(declared: list[Operation], edge: Edge) -> list[str]:
    lines: list[str] = []
    for index, one in enumerate(sorted(_public(declared), key=lambda one: (one.path, one.method))):
        name = f"@public_{index}"
        lines += [f"{name} {{", f"\tmethod {one.method.upper()}", f"\t{_path_matcher(one.path)}", "}"]
        lines += [
            f"handle {name} {{",
            # What lies there are pages of ours, with a stylesheet and forms.
            *(["\timport page_headers"] if one.path.startswith("/public/") else []),
            *([f"\t{_ASKED_AGAIN}"] if one.method == "get" and not one.is_page else []),
            "\timport nobody",
            f"\timport to_{_side(one.service)} {edge.upstreams[one.service]}",
            "}",
        ]
    return lines


def _page_routes(declared: list[Operation], edge: Edge) -> list[str]:
    """Pages for people who are signed in: as the other operations of their resource, with the policy of pages."""
    pages = [one for one in declared if one.permission is not None and one.is_page]
    lines: list[str] = []
    for index, one in enumerate(sorted(pages, key=lambda one: (one.path, one.method))):
        name = f"@page_{index}"
        lines += [f"{name} {{", f"\tmethod {one.method.upper()}", f"\t{_path_matcher(one.path)}", "}"]
        lines += [f"handle {name} {{", "\timport page_headers", f"\timport signed_in {one.service}"]
        lines += [f"\timport to_{_side(one.service)} {edge.upstreams[one.service]}", "}"]
    return lines


def _public(declared: list[Operation]) -> list[Operation]:
    return [one for one in declared if one.permission is None]


def _side(service: str) -> str:
    return "gateway" if service == "gateway" else "service"


def _upload_limits(declared: list[Operation]) -> list[str]:
    """Everything is limited to PLAIN_LIMIT, but the operations that declare to read more as a stream."""
    uploads = sorted((one for one in declared if one.max_bytes), key=lambda one: (one.path, one.method))
    lines: list[str] = []
    for index, one in enumerate(uploads):
        lines += [f"@upload_{index} {{", f"\tmethod {one.method.upper()}", f"\t{_path_matcher(one.path)}", "}"]
        lines += [f"request_body @upload_{index} {{", f"\tmax_size {one.max_bytes}", "}"]
    if not uploads:
        return [f"request_body {{\n\tmax_size {PLAIN_LIMIT}\n}}"]
    refused = [f"\tnot {{\n\t\tmethod {one.method.upper()}\n\t\t{_path_matcher(one.path)}\n\t}}" for one in uploads]
    return [*lines, "@plain {", *refused, "}", f"request_body @plain {{\n\tmax_size {PLAIN_LIMIT}\n}}"]


def _path_matcher(path: str) -> str:
    """A template such as `/api/v1/imports/{id}/file`, as Caddy matches it: a parameter is one segment."""
    if "{" not in path:
        return f"path {path}"
    pieces = [re.escape(piece) for piece in re.split(r"\{[^}]+\}", path)]
    return f"path_regexp ^{'[^/]+'.join(pieces)}$"


def _pages(edge: Edge) -> list[str]:
    asked = [
        "@pages path / /docs /docs/*",
        "handle @pages {",
        "\timport page_headers",
        f"\t{_KEPT}",
        "\timport nobody",
        f"\timport to_gateway {edge.upstreams['gateway']}",
        "}",
    ]
    if not edge.web_root:
        return asked
    files = [f"\troot * {_quoted(edge.web_root)}", "\ttry_files {path} /index.html", "\tfile_server"]
    docs = [line.replace("path / /docs", "path /docs") for line in asked]
    reserved = "not path /api/* /webhooks/* /public/* /internal/* /sandbox/*"
    return [*docs, f"@web {reserved}", "handle @web {", "\timport page_headers", f"\t{_KEPT}", *files, "}"]


def _site(edge: Edge) -> str:
    return f"http://:{edge.port}" if edge.is_plain else f"https://{edge.public_host}:{edge.port}"


def _tls(edge: Edge) -> str:
    if edge.is_plain:
        return ""
    if edge.tls_certificate:
        return f"tls {_quoted(edge.tls_certificate)} {_quoted(edge.tls_key)}"
    return "tls internal"


def _quoted(text: str) -> str:
    if '"' in text or "\n" in text:
        raise DocumentRefused("A path of the edge holds a quotation mark or a line break.")
    return f'"{text}"'


def _host(url: str) -> str:
    return url.split("://", 1)[-1].rstrip("/")


def _indented(lines: list[str]) -> str:
    return "\n".join("\t\t" + line for block in lines for line in block.split("\n")).lstrip("\t")
