"""``python -m haihe_simulators`` is ``haihe-sim``."""

import sys

from .cli import main

sys.exit(main())
