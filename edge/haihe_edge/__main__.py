"""``python -m haihe_edge`` is ``haihe-edge``."""

import sys

from .cli import main

sys.exit(main())
