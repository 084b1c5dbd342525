"""Uploads and downloads of files over presigned URLs."""
