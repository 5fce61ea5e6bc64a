"""Where the running system is, and the two ways in: the public API, and the sandbox's controls beside it."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx

from demo.errors import DemoError, NotRunning, Refused

ADMIN_EMAIL = "admin@crm.local"
PAGE = 200
TRIES = 3


@dataclass(frozen=True)
class Installation:
    """What `make up` left in its state folder for those who may use the system."""

    base_url: str
    password: str
    sandbox_url: str
    sandbox_key: str

    @classmethod
    def read(cls, state: Path, base_url: str | None = None) -> "Installation":
        try:
            sandbox = json.loads((state / "env" / "sandbox-api.json").read_text())
            password = (state / "secrets" / "admin_password").read_text().strip()
        except FileNotFoundError:
            raise DemoError(f"There is no system in {state}. Start it with `make up`, then run this again.") from None
        return cls(
            base_url=(base_url or f"http://127.0.0.1:{sandbox['CRM_PORT']}").rstrip("/"),
            password=password,
            sandbox_url=sandbox["CRM_OPENPHONE_URL"],
            sandbox_key=sandbox["CRM_SANDBOX_KEY"],
        )


class Connection:
    """JSON over HTTP. A request that was cut short is repeated; a POST carries a key, so it takes effect once."""

    def __init__(self, base_url: str, headers: dict[str, str] | None = None) -> None:
        self.base_url = base_url
        self._http = httpx.Client(base_url=base_url, headers=headers, timeout=httpx.Timeout(60, connect=5))

    def close(self) -> None:
        self._http.close()

    def get(self, path: str, **params: Any) -> Any:
        return self.request("GET", path, params=params).json()

    def post(self, path: str, body: Any = None) -> Any:
        return self.request("POST", path, json=body, headers={"Idempotency-Key": str(uuid4())}).json()

    def put(self, path: str, body: Any) -> Any:
        return self.request("PUT", path, json=body).json()

    def patch(self, path: str, body: Any, *, version: int | None = None) -> Any:
        headers = {"If-Match": f'"{version}"'} if version is not None else {}
        return self.request("PATCH", path, json=body, headers=headers).json()

    def upload(self, path: str, content: Iterable[bytes]) -> Any:
        return self.request("PUT", path, content=content, headers={"Content-Type": "text/csv"}, tries=1).json()

    def pages(self, path: str, **params: Any) -> Iterator[Any]:
        """Every item of a list, page by page."""
        cursor = None
        while True:
            page = self.get(path, limit=PAGE, **params, **({"cursor": cursor} if cursor else {}))
            yield from page["items"]
            cursor = page["next_cursor"]
            if cursor is None:
                return

    def lines(self, path: str, **params: Any) -> Iterator[Any]:
        """Every line of an NDJSON stream."""
        with self._http.stream("GET", path, params=params) as answer:
            if answer.is_error:
                answer.read()
                raise _refused("GET", path, answer)
            for line in answer.iter_lines():
                yield json.loads(line)

    def request(self, method: str, path: str, *, tries: int = TRIES, **request: Any) -> httpx.Response:
        for left in reversed(range(tries)):
            try:
                answer = self._http.request(method, path, **request)
            except httpx.ConnectError:
                raise NotRunning(self.base_url) from None
            except httpx.HTTPError as error:
                if not left:
                    raise DemoError(f"{method} {path} had no answer: {error}") from error
                continue
            if answer.is_error:
                raise _refused(method, path, answer)
            return answer
        raise AssertionError("every try returns or raises")


def _refused(method: str, path: str, answer: httpx.Response) -> Refused:
    try:
        problem = answer.json()
        detail = str(problem.get("detail") or problem.get("title") or problem)
    except ValueError:
        detail = answer.text[:200]
    return Refused(method, path, answer.status_code, detail)


def sign_in(installation: Installation) -> Connection:
    """A connection to the public API as the admin, for as long as the demo lasts."""
    anonymous = Connection(installation.base_url)
    body = {"email": ADMIN_EMAIL, "password": installation.password, "kind": "bearer"}
    try:
        token = anonymous.request("POST", "/api/v1/session", json=body, tries=1).json()["token"]
    except Refused as refusal:
        if refusal.status == 401:
            raise DemoError(f"{ADMIN_EMAIL} no longer has the password that `make up` made for it.") from None
        raise
    finally:
        anonymous.close()
    return Connection(installation.base_url, {"Authorization": f"Bearer {token}"})
