"""No operation without a permission."""

from typing import Annotated

import httpx
import pytest
import svcs
from pydantic import SecretStr
from shared.auth import Principal
from shared.etag import IfMatch
from shared.http import PUBLIC, ApiRouter, Tx, build_app, can
from shared.settings import ServiceSettings

SETTINGS = ServiceSettings(database_url=SecretStr("postgresql+asyncpg://nobody@127.0.0.1/none"))


def build(router: ApiRouter):
    return build_app(svcs.Registry(), settings=SETTINGS, title="T", audience="t", routers=[router])


def test_an_operation_without_a_permission_fails_the_build() -> None:
    router = ApiRouter()

    @router.get("/open")
    async def forgotten() -> str:
        return ""

    with pytest.raises(RuntimeError, match="GET /open declares no permission"):
        build(router).openapi()


async def test_a_stranger_is_refused_before_anything_else_is_looked_at() -> None:
    router = ApiRouter()

    @router.patch("/thing")
    async def change(version: IfMatch, user: Annotated[Principal, can("things:write")], size: int = 1) -> str:
        return ""

    transport = httpx.ASGITransport(build(router))
    async with httpx.AsyncClient(transport=transport, base_url="http://service") as client:
        assert (await client.patch("/thing?size=much")).status_code == 401


def test_a_public_operation_documents_no_401() -> None:
    router = ApiRouter()

    @router.get("/open", openapi_extra=PUBLIC)
    async def meant() -> str:
        return ""

    assert "401" not in build(router).openapi()["paths"]["/open"]["get"]["responses"]


def test_a_post_takes_an_idempotency_key_where_the_answer_is_kept_with_the_effect() -> None:
    router = ApiRouter()

    @router.post("/kept", openapi_extra=PUBLIC)
    async def in_a_transaction(tx: Tx) -> str:
        return ""

    @router.post("/secret", openapi_extra=PUBLIC)
    async def on_its_own() -> str:
        return ""

    paths = build(router).openapi()["paths"]
    assert [parameter["name"] for parameter in paths["/kept"]["post"]["parameters"]] == ["Idempotency-Key"]
    assert "409" in paths["/kept"]["post"]["responses"]
    assert "parameters" not in paths["/secret"]["post"]
    assert "409" not in paths["/secret"]["post"]["responses"]
