"""Effects on the server that happen exactly once.

Each effect is recorded before its request is sent, and after.
"""
