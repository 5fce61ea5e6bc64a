"""An app that is connected to a company of its own in the sandbox, and forms of every kind in its books."""

import hashlib
import json
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx

from contract.boundaries import CONTROL_KEY, PROVIDER_KEY, Boundary

APP = ("sandbox-app", PROVIDER_KEY)
SCOPE = "com.intuit.quickbooks.accounting"
REDIRECT = "http://localhost:9/callback"
FIRST = {"value": "1"}
"""Every list of a new company has something under this id."""


@dataclass
class Company:
    """`ids`: by kind, what `fill` has written."""

    sandbox: Boundary
    realm_id: str
    token: str = ""
    ids: dict[str, str] = field(default_factory=dict)

    def open(self) -> None:
        with self.sandbox.client({"X-Sandbox-Key": CONTROL_KEY}) as api:
            new = {"realm_id": self.realm_id, "name": "Contract Crack Repair"}
            api.post("/sandbox/v1/quickbooks/companies", json=new).raise_for_status()

    def connect(self) -> None:
        asked = {"client_id": APP[0], "response_type": "code", "scope": SCOPE, "redirect_uri": REDIRECT, "state": "s"}
        with self.sandbox.client({}) as api:
            back = api.get("/connect/oauth2", params={**asked, "realmId": self.realm_id}).headers["location"]
            code = parse_qs(urlsplit(back).query)["code"][0]
            form = {"grant_type": "authorization_code", "code": code, "redirect_uri": REDIRECT}
            self.token = api.post("/oauth2/v1/tokens/bearer", data=form, auth=APP).json()["access_token"]

    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"}

    def call(self, method: str, path: str, **options: Any) -> httpx.Response:
        url = f"/v3/company/{self.realm_id}/{path}"
        return self.sandbox.anonymous.request(method, url, headers=self.headers(), **options)

    def fill(self) -> None:
        """One form of each kind."""
        self._write("Customer", DisplayName="Ana Lima")
        whose = {"CustomerRef": {"value": self.ids["Customer"]}}
        detail = {"ItemRef": FIRST, "TaxCodeRef": {"value": "TAX"}}
        line = {"DetailType": "SalesItemLineDetail", "Amount": 100, "SalesItemLineDetail": detail}
        for kind in ("Estimate", "Invoice", "CreditMemo"):
            self._write(kind, **whose, Line=[line], BillEmail={"Address": "ana@example.com"})
        self._write("RefundReceipt", **whose, Line=[line], DepositToAccountRef={"value": "2"})
        paid = {"Amount": 10, "LinkedTxn": [{"TxnId": self.ids["Invoice"], "TxnType": "Invoice"}]}
        self._write("Payment", **whose, TotalAmt=10, Line=[paid])
        self._write("Payment", **whose, TotalAmt=20)
        taken = {"Amount": 20, "LinkedTxn": [{"TxnId": self.ids["Payment"], "TxnType": "Payment", "TxnLineId": "0"}]}
        self._write("Deposit", DepositToAccountRef={"value": "2"}, Line=[taken])
        self._write("Vendor", DisplayName="Resin and Ports")
        self.ids |= dict.fromkeys(("Item", "Term", "Account", "PaymentMethod"), "1")

    def _write(self, kind: str, **body: Any) -> None:
        answer = self.call("POST", kind.lower(), json=body)
        assert answer.status_code == 200, answer.text
        self.ids[kind] = answer.json()[kind]["Id"]

    def aim(self, kind: str, body: Any) -> None:
        """Point half of what a generated body names at what exists: random ids only ever meet a fault."""
        if not isinstance(body, dict) or _drawn(body) % 4 == 0:
            return
        if "Id" in body:
            now = self.call("GET", f"{kind.lower()}/{self.ids[kind]}").json().get(kind, {})
            body |= {"Id": self.ids[kind], "SyncToken": now.get("SyncToken", "0")}
        self._aim_references(body)

    def _aim_references(self, body: dict[str, Any]) -> None:
        for name, value in body.items():
            if isinstance(value, dict) and "value" in value and _drawn(value) % 2:
                value["value"] = self.ids["Customer"] if name in ("CustomerRef", "ParentRef") else "1"
            for part in [value] if isinstance(value, dict) else value if isinstance(value, list) else ():
                if isinstance(part, dict):
                    self._aim_references(part)


def _drawn(value: Any) -> int:
    text = json.dumps(value, default=str)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()[0]
