"""What is made of results for people and for other programs."""
