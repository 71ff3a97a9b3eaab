/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Exact percentiles of what the programs time. */
#ifndef HF_PERCENTILE_H
#define HF_PERCENTILE_H

#include <math.h>
#include <stddef.h>
#include <stdint.h>

/* The order of whole numbers, for qsort. */
static inline int by_size(const void *left, const void *right)
{
	uint64_t a = *(const uint64_t *)left, b = *(const uint64_t *)right;

	return (a > b) - (a < b);
}

/* The smallest of the sorted values that at least this share of all values does not exceed. */
static inline double percentile(const uint64_t *sorted, size_t count, double share)
{
	return (double)sorted[(size_t)ceil(share * (double)count) - 1];
}

#endif
