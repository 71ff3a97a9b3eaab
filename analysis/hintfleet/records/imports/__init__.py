# SPDX-License-Identifier: GPL-2.0-or-later
"""Other people's measurements as run records: a description, curves of memory, tables."""
