"""Asyncio client for the Eversince creative agent."""
