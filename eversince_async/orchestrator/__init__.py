"""Workflows from brief to download: create, wait, render, share, converse."""
