"""A schema registry as far as serializers need one: it numbers schemas and hands them out again, over HTTP.

Confluent's Schema Registry is in no package registry. What is tested with this one are clients that put its numbers
into records, and a broker that must give back the same bytes.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlsplit

NO_SUCH_SUBJECT, NO_SUCH_SCHEMA = 40401, 40403
_FIELDS = ("schema", "schemaType", "references")


class Schemas:
    """Schemas by number, and the numbers that each subject has had, in order of their versions."""

    def __init__(self) -> None:
        self._schemas: list[dict[str, Any]] = []
        self._subjects: dict[str, list[int]] = {}
        self._lock = threading.Lock()

    def register(self, subject: str, schema: dict[str, Any]) -> dict[str, Any]:
        """The subject's version of this schema, a new one if it has not had it; equal schemas share a number."""
        said = {name: schema[name] for name in _FIELDS if schema.get(name)}
        with self._lock:
            if said not in self._schemas:
                self._schemas.append(said)
            number = self._schemas.index(said) + 1
            versions = self._subjects.setdefault(subject, [])
            if number not in versions:
                versions.append(number)
        return self._version(subject, number)

    def look_up(self, subject: str, schema: dict[str, Any]) -> dict[str, Any]:
        """The subject's version of this schema; raises LookupError with the registry's code."""
        said = {name: schema[name] for name in _FIELDS if schema.get(name)}
        if subject not in self._subjects:
            raise LookupError(NO_SUCH_SUBJECT)
        for number in self._subjects[subject]:
            if self._schemas[number - 1] == said:
                return self._version(subject, number)
        raise LookupError(NO_SUCH_SCHEMA)

    def by_number(self, number: int) -> dict[str, Any]:
        """Raises LookupError with the registry's code."""
        if not 0 < number <= len(self._schemas):
            raise LookupError(NO_SUCH_SCHEMA)
        return self._schemas[number - 1]

    def _version(self, subject: str, number: int) -> dict[str, Any]:
        version = self._subjects[subject].index(number) + 1
        return {"subject": subject, "version": version, "id": number, **self._schemas[number - 1]}


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    schemas: Schemas

    def do_GET(self) -> None:
        self._answer({})

    def do_POST(self) -> None:
        self._answer(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))

    def _answer(self, said: dict[str, Any]) -> None:
        call = f"{self.command} {urlsplit(self.path).path}"
        status = 200
        try:
            if found := re.fullmatch(r"POST /subjects/([^/]+)/versions", call):
                answer = self.schemas.register(unquote(found[1]), said)
            elif found := re.fullmatch(r"POST /subjects/([^/]+)", call):
                answer = self.schemas.look_up(unquote(found[1]), said)
            elif found := re.fullmatch(r"GET /schemas/ids/(\d+)", call):
                answer = self.schemas.by_number(int(found[1]))
            else:
                raise LookupError(404)
        except LookupError as error:
            status, answer = 404, {"error_code": error.args[0], "message": f"not found: {call}"}
        body = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/vnd.schemaregistry.v1+json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *arguments: object) -> None:
        """The tests say what went wrong; a line for each request would only be in the way."""


@contextmanager
def schema_registry() -> Iterator[str]:
    """A registry of its own, as long as the context lasts; its URL."""
    handler = type("Handler", (_Handler,), {"schemas": Schemas()})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()
