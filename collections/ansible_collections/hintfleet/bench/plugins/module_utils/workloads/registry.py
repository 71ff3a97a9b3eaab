# SPDX-License-Identifier: GPL-2.0-or-later
"""The workloads by name. A workload is a module with

NEEDS                           names of its own parameters
check(parameters, cell)         a sentence if the parameters cannot work, else None
run(bench, result)              measures, and fills in `result` as it goes, so that what was
                                measured before a failure is kept
summary(result)                 the result in a few words
"""

from __future__ import annotations

from ansible_collections.hintfleet.bench.plugins.module_utils.workloads import (
    consolidation as _workload_consolidation,
)
from ansible_collections.hintfleet.bench.plugins.module_utils.workloads import (
    memhog as _workload_memhog,
)
from ansible_collections.hintfleet.bench.plugins.module_utils.workloads import (
    page_fault as _workload_page_fault,
)
from ansible_collections.hintfleet.bench.plugins.module_utils.workloads import (
    tile as _workload_tile,
)

WORKLOADS = {
    "consolidation": _workload_consolidation,
    "memhog": _workload_memhog,
    "page_fault": _workload_page_fault,
    "tile": _workload_tile,
}
