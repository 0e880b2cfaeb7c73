"""What is done with a decision: one strategy a file."""
