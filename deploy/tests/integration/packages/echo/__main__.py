"""`python -m echo api|worker --port N`, migrate, consumers; ECHO_FAILS names the command that fails."""

import json
import os
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        shown = {name: value for name, value in os.environ.items() if name.startswith("CRM_")}
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps(shown).encode())

    def log_message(self, *_: object) -> None:
        print("echo answered", flush=True)


command = sys.argv[1]
if os.environ.get("CRM_ECHO_FAILS") == command:
    sys.exit(f"echo was told to fail at {command}")
match command:
    case "migrate":
        print("migrated as", os.environ["CRM_DATABASE_URL"].split("//")[1].split(":")[0])
    case "consumers":
        print(json.dumps([{"stream": "MESSAGING", "durable": "echo", "subjects": ["messaging.message.sent.v1"]}]))
    case "api" | "worker":
        HTTPServer(("127.0.0.1", int(sys.argv[3])), Handler).serve_forever()
