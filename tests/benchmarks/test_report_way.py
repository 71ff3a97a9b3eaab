# SPDX-License-Identifier: GPL-2.0-or-later
"""The way of a report is read from a trace as QEMU writes it."""

from __future__ import annotations

import pytest
import report_way

# QEMU 7.2's words; another queue's come between.
TRACE = """\
7@10.000000:virtio_queue_notify vdev 0x55 n 3 vq 0xaa
7@10.000100:virtqueue_pop vq 0xaa elem 0x1 in_num 2 out_num 0
7@10.000600:ram_block_discard_range ram@0x7f00 + 0x200000: madvise: 1 fallocate: 0 ret: 0
7@10.001100:ram_block_discard_range ram@0x7f20 + 0x200000: madvise: 1 fallocate: 0 ret: 0
7@10.001150:virtqueue_flush vq 0xaa count 1
7@10.001200:virtio_notify vdev 0x55 vq 0xaa
7@10.001300:virtio_queue_notify vdev 0x66 n 1 vq 0xbb
7@10.001310:virtqueue_pop vq 0xbb elem 0x2 in_num 1 out_num 0
7@10.001320:virtio_notify vdev 0x66 vq 0xbb
not a line of the trace
7@10.003200:virtio_queue_notify vdev 0x55 n 3 vq 0xaa
7@10.003300:virtqueue_pop vq 0xaa elem 0x1 in_num 1 out_num 0
7@10.004300:ram_block_discard_range ram@0x7f40 + 0x400000: madvise: 1 fallocate: 0 ret: 0
7@10.004400:virtio_notify vdev 0x55 vq 0xaa
"""


def test_a_report_is_followed_from_kick_to_answer() -> None:
    first, second = report_way.reports(TRACE.splitlines())
    assert (first.discards, first.mib, second.mib) == (2, 4.0, 4.0)
    assert first.told - first.seen == pytest.approx(0.0012, abs=1e-6)
    assert list(report_way.reports(TRACE.splitlines(), since=10.002)) == [second]


def test_its_way_is_split_a_gib() -> None:
    found = report_way.split(list(report_way.reports(TRACE.splitlines())))
    gib = 8 / 1024
    assert (found.reports, found.discards) == pytest.approx((2 / gib, 3 / gib))
    assert found.guest == pytest.approx(0.002 * 2 / gib, rel=1e-3)
    assert found.discard == pytest.approx(0.002 / gib, rel=1e-3)
    assert found.qemu == pytest.approx(0.0004 / gib, rel=1e-2)
    assert found.beside == pytest.approx(4.4 / 6.4, rel=1e-2)


def test_reports_far_apart_tell_nothing_of_the_guest() -> None:
    (first, second) = report_way.reports(TRACE.replace("@10.003", "@12.003").splitlines())
    with pytest.raises(ValueError, match="median"):
        report_way.split([first, second])
