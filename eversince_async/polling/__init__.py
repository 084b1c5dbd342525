"""Polling of project statuses, shared by all waiters of a client."""
