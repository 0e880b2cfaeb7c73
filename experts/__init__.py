"""Experts answer chat requests: engines, and wrappers around engines."""
