"""The small routes: what can be asked for, and how."""
