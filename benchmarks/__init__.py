"""Commands that print the figures of the README. Speed is measured here, never in tests."""
