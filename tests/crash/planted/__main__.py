"""`python -m tests.crash.planted <bug> server|workers`."""

import runpy
import sys

from tests.crash.planted import BUGS, Planter

bug, role = sys.argv[1:]
sys.meta_path.insert(0, Planter(BUGS[bug]))
sys.argv = [role]
runpy.run_module(role, run_name="__main__", alter_sys=True)
