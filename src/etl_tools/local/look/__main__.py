"""`python -m etl_tools.local.look`."""

import sys

from etl_tools.local.look import main

sys.exit(main(sys.argv[1:]))
