# SPDX-License-Identifier: GPL-2.0-or-later
"""The mean of values from blocks, nodes and hosts, and how far a replication would lie from it.

What is replicated is what may vary freely: hosts, as soon as there are enough of them to stand for
others; else the blocks of these hosts. Nodes of a host and workloads that share a block are no
replication, however many there are. Sources:

- hosts as the sample, each with one value: the clusters of Liang and Zeger (1986), summarised as
  Donner and Klar (2000) do for few clusters of unequal size;
- blocks within few hosts: stratified by host, degrees by Satterthwaite (1946), each block a cluster
  of the nodes it was run on (Cameron and Miller 2015, "A practitioner's guide to cluster-robust
  inference", with the factor n / (n - 1));
- blocks that resemble the one before: variance and degrees of an autoregressive series of order one
  (Zwiers and von Storch 1995), its correlation corrected for the bias in short series (Kendall
  1954).

Everything here takes time and memory proportional to the number of values.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hintfleet.statistics.intervals import Floats, Interval, t_quantile, two_sided_t

Codes = NDArray[np.int64]

HOSTS_AS_SAMPLE = 5
"""From this many hosts on they stand for hosts like them; fewer stand for themselves only."""

DEPENDENCE_FROM = 7
"""From this many blocks on it can be seen whether a block resembles the one before."""

RESEMBLE = 0.25
"""Standard errors of a correlation above what independent blocks show, from which on it counts."""

FEWEST_DEGREES = 3.0
"""Dependence between blocks takes degrees of freedom, but leaves these."""

MOST_DEPENDENT = 0.8
"""A correlation above cannot be told from a drift, which no number of blocks averages out."""

ROUNDING = 1e-12
"""Relative; sums of floats differ by less."""


@dataclass(frozen=True)
class Places:
    """Where values were seen: codes as long as the values. A cell is a node of one host."""

    host: Codes
    cell: Codes
    block: Codes


@dataclass(frozen=True)
class Replication:
    """A mean and what it was replicated over."""

    centre: float
    error: float | None
    """Standard error of the centre; None if nothing was replicated."""
    degrees: float
    units: int
    """Hosts if they are the sample, else blocks, of each host its own."""
    hosts: int
    of_hosts: bool
    """Whether hosts are the sample: then the mean speaks for hosts like these."""
    runs: int
    dependence: float = 1.0
    """By how much the variance of the centre is larger than that of independent blocks."""

    @property
    def deviation(self) -> float:
        """Standard deviation between units; 0 if nothing was replicated."""
        if self.error is None:
            return 0.0
        return self.error * math.sqrt(self.units / self.dependence)

    def interval(self, confidence: float, floor: float = 0.0) -> Interval | None:
        """Student's t interval; None if nothing was replicated.

        floor: what the deviation is at least taken to be. Where it is more than was seen, the
        interval is a guard and says so, for nothing was measured that it could be computed from.
        """
        if self.error is None:
            return None
        error, guard = self.error, self.deviation < floor
        if guard:
            error = floor * math.sqrt(self.dependence / self.units)
        reach = t_quantile(0.5 + confidence / 2.0, self.degrees) * error
        over = f"{self.units} {'hosts' if self.of_hosts else 'blocks'}"
        method = "guard against rounding" if guard else f"Student t over {over}"
        return Interval(self.centre - reach, self.centre + reach, confidence, method, guard)

    def p_value(self, floor: float = 0.0) -> float | None:
        """Two-sided p that the truth is 0; None if nothing was replicated. floor as above."""
        return self._p_value(max(self.deviation, floor))

    def guarded_p(self, unseen: float, floor: float = 0.0) -> float | None:
        """The same by a variance that few units cannot tell from the one they show.

        Few blocks of a host (or few hosts) may all have met the same of several states. So their
        variance is what one more that lay `unseen` away would make it, unless the one that was
        seen is larger. It is a guard, which fades with the square of their number, and no p.
        """
        seen = max(self.deviation, floor) ** 2
        few = self.units if self.of_hosts else self.units / self.hosts
        return self._p_value(math.sqrt(max(seen, ((few - 1.0) * seen + unseen**2) / few)))

    def _p_value(self, deviation: float) -> float | None:
        if self.error is None:
            return None
        error = deviation * math.sqrt(self.dependence / self.units)
        if error == 0.0:
            return 0.0 if self.centre else 1.0
        return two_sided_t(self.centre / error, self.degrees)


def replicated(
    values: Floats, places: Places, hosts_as_sample: int = HOSTS_AS_SAMPLE
) -> Replication:
    """The mean over hosts of the means over their nodes of the means over blocks.

    values: finite, at least one. hosts_as_sample: from how many hosts on they are what varies.
    """
    _, host = np.unique(places.host, return_inverse=True)
    cell_of, cell = np.unique(host * (places.cell.max() + 1) + places.cell, return_inverse=True)
    cell_host = cell_of // (places.cell.max() + 1)
    runs_of_cell = np.bincount(cell)
    cell_means = np.bincount(cell, weights=values) / runs_of_cell
    cells_of_host = np.bincount(cell_host)
    host_means = np.bincount(cell_host, weights=cell_means) / cells_of_host
    hosts, centre = int(host_means.size), float(host_means.mean())
    if hosts >= hosts_as_sample:
        if hosts < 2:
            return Replication(centre, None, 0.0, hosts, hosts, True, int(values.size))
        error = float(host_means.std(ddof=1)) / math.sqrt(hosts)
        return Replication(centre, error, hosts - 1, hosts, hosts, True, int(values.size))
    # the deviation of each block of a host from the mean of that host
    share = 1.0 / (cells_of_host[host] * runs_of_cell[cell])
    unit_of, unit = np.unique(host * (places.block.max() + 1) + places.block, return_inverse=True)
    unit_host = unit_of // (places.block.max() + 1)
    blocks = np.bincount(unit_host)
    moved = np.bincount(unit, weights=share * (values - cell_means[cell])) * blocks[unit_host]
    # equal values differ from their mean by rounding only, which has no scatter to speak of
    moved[np.abs(moved) < ROUNDING * np.abs(values).max()] = 0.0
    return _within_hosts(centre, moved, unit_host, blocks, int(values.size))


def _within_hosts(
    centre: float, moved: Floats, unit_host: Codes, blocks: Codes, runs: int
) -> Replication:
    """moved: by how far each block moved its host's mean, blocks of a host in their order."""
    units, hosts = int(moved.size), int(blocks.size)
    if units == hosts:
        return Replication(centre, None, 0.0, units, hosts, False, runs)
    squares = np.bincount(unit_host, weights=moved**2)
    if blocks.min() < 2:
        # a host with one block borrows the scatter of the others
        variances = squares.sum() / (units - hosts) / blocks
        degrees = float(units - hosts)
    else:
        variances = squares / (blocks - 1) / blocks
        weights = float((variances**2 / (blocks - 1)).sum())
        total = float(variances.sum())
        degrees = total**2 / weights if weights else float(units - hosts)
    dependence = _dependence(moved, unit_host, blocks)
    if dependence > 1.0:
        left = max(units / dependence - hosts, FEWEST_DEGREES)
        degrees = min(degrees, left)
    error = math.sqrt(float(variances.sum()) * dependence) / hosts
    return Replication(centre, error, degrees, units, hosts, False, runs, dependence)


def _dependence(moved: Floats, unit_host: Codes, blocks: Codes) -> float:
    """By how much the variance of a mean of these blocks exceeds that of independent ones.

    Where neighbours resemble each other: by the correlation that is one standard error above the
    one that was seen, corrected for its bias in a short series. Simulated, that keeps the rate of
    false alarms.
    """
    count = float(blocks.mean())
    squares = float((moved**2).sum())
    if blocks.min() < DEPENDENCE_FROM or squares == 0.0:
        return 1.0
    neighbours = unit_host[1:] == unit_host[:-1]
    seen = float((moved[1:] * moved[:-1])[neighbours].sum()) / squares
    error = 1.0 / math.sqrt(count)
    if seen + 1.0 / count < RESEMBLE * error:
        return 1.0
    correlation = min(seen + (1.0 + 3.0 * seen) / count + error, MOST_DEPENDENT)
    lags = np.arange(1, math.ceil(count))
    factor = 1.0 + 2.0 * float(((1.0 - lags / count) * correlation**lags).sum())
    # the scatter within a series that depends on itself is smaller than that of its blocks, too
    return factor * (count - 1.0) / (count - factor)


def contrast(first: Replication, second: Replication) -> Replication:
    """second - first of two samples that share nothing (Welch 1947)."""
    parts = [(side.error, side.degrees) for side in (first, second)]
    units, hosts = min(first.units, second.units), min(first.hosts, second.hosts)
    runs = min(first.runs, second.runs)
    of_hosts = first.of_hosts and second.of_hosts
    centre = second.centre - first.centre
    known = [(error, degrees) for error, degrees in parts if error is not None]
    if len(known) < 2:
        return Replication(centre, None, 0.0, units, hosts, of_hosts, runs)
    variance = sum(error**2 for error, _ in known)
    weights = sum(error**4 / degrees for error, degrees in known)
    degrees = variance**2 / weights if weights else sum(degrees for _, degrees in known)
    return Replication(centre, math.sqrt(variance), degrees, units, hosts, of_hosts, runs)
