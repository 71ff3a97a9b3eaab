# SPDX-License-Identifier: GPL-2.0-or-later
"""Reports as text: each module turns a Report into one format and prints nothing itself."""
