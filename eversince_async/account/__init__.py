"""What is known of the account: whose it is, what it may render, what videos cost."""
