"""Fixtures for tests that talk with a scripted server."""

from scripted import server, sleeping_server

__all__ = ["server", "sleeping_server"]
