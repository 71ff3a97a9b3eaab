# SPDX-License-Identifier: GPL-2.0-or-later
"""hintfleet: how many more guests fit when they hand free memory back, and what it costs."""

from __future__ import annotations

__version__ = "0.1.0"
