"""The session layer, which sends every request and receives every response."""
