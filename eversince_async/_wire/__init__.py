"""The form of requests and the meaning of responses, without any I/O."""
