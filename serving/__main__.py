"""``python -m serving``: the same as ``coterie``."""

from serving.cli import main

main()
