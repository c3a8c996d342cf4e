"""Serve a built book to this machine alone."""

from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

LOOPBACK = "127.0.0.1"


def open_server(html: Path, port: int) -> ThreadingHTTPServer:
    """A server of a folder of pages on the loopback address; port 0 takes any free one."""
    handler = partial(_QuietHandler, directory=str(html))
    return ThreadingHTTPServer((LOOPBACK, port), handler)


class _QuietHandler(SimpleHTTPRequestHandler):
    """Serves files without writing a line for each."""

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Keep silent."""
