"""What requests look like and what answers mean, without any I/O."""
