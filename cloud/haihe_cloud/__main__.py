"""``python -m haihe_cloud`` is ``haihe-cloud``."""

import sys

from .cli import main

sys.exit(main())
