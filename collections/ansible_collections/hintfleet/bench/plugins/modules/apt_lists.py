#!/usr/bin/python
# SPDX-License-Identifier: GPL-2.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: apt_lists
short_description: Fetch apt's lists as far as they are to be had
version_added: 0.2.0
description:
  - Waits for somebody else who is fetching them just now. A repository that answers with an error
    ends nothing; what cannot be had then, installing says.
options: {}
author:
  - hintfleet contributors (@hintfleet)
attributes:
  check_mode:
    description: Does nothing then.
    support: full
  diff_mode:
    description: There is nothing to show.
    support: none
"""

EXAMPLES = r"""
- name: Fetch apt's lists
  hintfleet.bench.apt_lists:
"""

RETURN = r"""{}"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.hintfleet.bench.plugins.module_utils.host.apt_lists import refresh


def main() -> None:
    """Entry point."""
    module = AnsibleModule(argument_spec={}, supports_check_mode=True)
    if not module.check_mode:
        refresh()
    module.exit_json(changed=False)


if __name__ == "__main__":
    main()
