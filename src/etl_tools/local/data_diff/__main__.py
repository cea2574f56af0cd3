"""`python -m etl_tools.local.data_diff`."""

import sys

from etl_tools.local.data_diff import main

sys.exit(main(sys.argv[1:]))
