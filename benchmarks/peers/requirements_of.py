"""Print what an installed package requires, with an extra, and some requirements without versions.

Usage: requirements_of.py PACKAGE EXTRA [UNPINNED ...]
"""

import sys
from importlib.metadata import requires

from pip._vendor.packaging.requirements import Requirement

package, extra, *unpinned = sys.argv[1:]
for line in requires(package) or ():
    requirement = Requirement(line)
    if requirement.marker is None or requirement.marker.evaluate({"extra": extra}):
        requirement.marker = None
        print(requirement.name if requirement.name in unpinned else requirement)
