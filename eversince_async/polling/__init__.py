"""Learn project statuses, for all waiters of a client at once."""
