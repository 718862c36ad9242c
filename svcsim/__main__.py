"""`python -m svcsim`: the command line."""

import sys

from svcsim.cli import main

sys.exit(main())
