"""Upload and download files over presigned URLs."""
