# SPDX-License-Identifier: Apache-2.0
"""Tests marked hpke need libcrypto 3.2: they are part of the run under tools/newer.sh (ENN_UNDER) alone."""

import os


def pytest_configure(config):
    config.addinivalue_line("markers", "hpke: needs a libcrypto with HPKE")


def pytest_collection_modifyitems(config, items):
    if "ENN_UNDER" not in os.environ:
        here = [it for it in items if it.get_closest_marker("hpke") is None]
        config.hook.pytest_deselected(items=[it for it in items if it not in here])
        items[:] = here
