# SPDX-License-Identifier: Apache-2.0
"""How the command is run: as it was built, or with ENN_UNDER=tools/newer.sh with Debian 13's libraries."""
import os
import subprocess

import pytest

ENNEAD = os.environ.get("ENNEAD", "build/check/cli/ennead")
COMMAND = [ENNEAD]
if "ENN_UNDER" in os.environ:
    COMMAND = [os.environ["ENN_UNDER"], "run", ENNEAD]
    if subprocess.run([*COMMAND, "--version"], stdout=subprocess.DEVNULL, check=False).returncode == 77:
        pytest.skip("no Debian 13 folder: run tools/newer.sh", allow_module_level=True)
