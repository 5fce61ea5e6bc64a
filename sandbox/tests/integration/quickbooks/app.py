"""What an app sees of Intuit, and the forms that it writes."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx

from shared import decimal_json

REALM = "9130350000000001"
APP = ("sandbox-app", "test-app-secret")
REDIRECT = "http://localhost:8080/callback"
CONTROL = "/sandbox/v1/quickbooks/companies"
TOKENS = "/oauth2/v1/tokens/bearer"


@dataclass
class App:
    """What an app sees of Intuit."""

    http: httpx.AsyncClient
    access_token: str = ""
    refresh_token: str = ""

    async def consent(self, **changes: str) -> httpx.Response:
        asked = {
            "client_id": APP[0],
            "response_type": "code",
            "scope": "com.intuit.quickbooks.accounting",
            "redirect_uri": REDIRECT,
            "state": "s1",
        }
        return await self.http.get("/connect/oauth2", params=asked | changes)

    async def code(self) -> str:
        return parse_qs(urlsplit((await self.consent()).headers["location"]).query)["code"][0]

    async def exchange(self, code: str, **changes: str) -> httpx.Response:
        form = {"grant_type": "authorization_code", "code": code, "redirect_uri": REDIRECT} | changes
        return self._keep(await self.http.post(TOKENS, data=form, auth=APP))

    async def refresh(self, token: str | None = None) -> httpx.Response:
        form = {"grant_type": "refresh_token", "refresh_token": token or self.refresh_token}
        return self._keep(await self.http.post(TOKENS, data=form, auth=APP))

    def _keep(self, answer: httpx.Response) -> httpx.Response:
        if answer.status_code == 200:
            self.access_token, self.refresh_token = answer.json()["access_token"], answer.json()["refresh_token"]
        return answer

    async def call(self, method: str, path: str, body: Any = None, **parameters: str) -> httpx.Response:
        headers = {"Authorization": f"Bearer {self.access_token}", "Accept": "application/json"}
        content = decimal_json.write(body) if body is not None else None
        url = f"/v3/company/{REALM}/{path}"
        return await self.http.request(
            method, url, params={"minorversion": "75", **parameters}, content=content, headers=headers
        )

    async def write(self, kind: str, body: dict[str, Any], **parameters: str) -> dict[str, Any]:
        answer = await self.call("POST", kind.lower(), body, **parameters)
        assert answer.status_code == 200, answer.text
        return decimal_json.read(answer.text)[kind]

    async def read(self, kind: str, object_id: str) -> dict[str, Any]:
        answer = await self.call("GET", f"{kind.lower()}/{object_id}")
        assert answer.status_code == 200, answer.text
        return decimal_json.read(answer.text)[kind]

    async def fault(self, kind: str, body: dict[str, Any], **parameters: str) -> str:
        """The code with which the write is refused."""
        answer = await self.call("POST", kind.lower(), body, **parameters)
        assert answer.status_code == 400, answer.text
        return answer.json()["Fault"]["Error"][0]["code"]

    async def query(self, text: str) -> dict[str, Any]:
        answer = await self.call("GET", "query", query=text)
        assert answer.status_code == 200, answer.text
        return decimal_json.read(answer.text)["QueryResponse"]

    async def customer(self, name: str = "Ana Lima", **more: Any) -> dict[str, Any]:
        return await self.write("Customer", {"DisplayName": name, **more})

    async def invoice(self, customer: dict[str, Any], amount: str = "100.00", **more: Any) -> dict[str, Any]:
        return await self.write("Invoice", form(customer, amount, **more))


async def ledger(control: httpx.AsyncClient) -> list[dict[str, Any]]:
    return (await control.get(f"{CONTROL}/{REALM}/ledger")).json()["items"]


def form(customer: dict[str, Any], amount: str = "100.00", tax: str = "NON", **more: Any) -> dict[str, Any]:
    """An estimate, invoice or credit memo with one line."""
    detail = {"ItemRef": {"value": "1"}, "TaxCodeRef": {"value": tax}}
    line = {"DetailType": "SalesItemLineDetail", "Amount": Decimal(amount), "SalesItemLineDetail": detail}
    return {"CustomerRef": {"value": customer["Id"]}, "Line": [line], **more}


def payment(customer: dict[str, Any], invoice: dict[str, Any], amount: str, **more: Any) -> dict[str, Any]:
    line = {"Amount": Decimal(amount), "LinkedTxn": [{"TxnId": invoice["Id"], "TxnType": "Invoice"}]}
    return {"CustomerRef": {"value": customer["Id"]}, "TotalAmt": Decimal(amount), "Line": [line], **more}
