"""Batches of many videos, each made once even if the process dies."""
