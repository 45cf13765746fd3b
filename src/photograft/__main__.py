"""`python -m photograft` is the command `photograft`."""

import sys

from photograft.cli.main import main

sys.exit(main())
