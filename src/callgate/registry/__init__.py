"""What is known of many tools at once: the vectors that tell which of them fit a request."""
