# SPDX-License-Identifier: GPL-2.0-or-later
"""One module for each command: DESCRIPTION, add_arguments(parser), main(options) -> exit code."""
