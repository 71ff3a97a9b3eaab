// SPDX-License-Identifier: GPL-2.0
/*
 * hot_path_world.c - just enough of a machine for mm/page_alloc.o to free and allocate in
 *
 * Compiled with the headers and flags of the kernel whose page_alloc.o is counted, so that the
 * layouts agree: one node, one zone of a memory section, one CPU with its list of pages. All
 * pages are in use at first, movable. hot_path.py calls the functions world_*().
 */
#include <linux/gfp.h>
#include <linux/mm.h>
#include <linux/mmzone.h>
#include <linux/version.h>
#if __has_include("page_alloc.h")
#include "page_alloc.h"
#endif

/* called by name from outside the kernel, so nobody declares them */
#pragma GCC diagnostic ignored "-Wmissing-prototypes"

#define START_PFN	((unsigned long)PAGES_PER_SECTION)	/* section 1 */
#define BATCH		63		/* what a zone of some size has */
#define HIGH		(4 * BATCH)

static struct pglist_data node;
static struct per_cpu_pages cpu_list;
static struct per_cpu_zonestat cpu_zone_stat;
static struct per_cpu_nodestat cpu_node_stat;
static struct mem_section sections[SECTIONS_PER_ROOT];
static struct mem_section *section_roots[1];
static struct {
	struct mem_section_usage usage;
	unsigned long pageblocks[SECTION_BLOCKFLAGS_BITS / BITS_PER_LONG + 1];
} usage;

/* What other files of the kernel define and page_alloc.o reads. */
struct pglist_data *node_data[MAX_NUMNODES] = { &node };
struct mem_section **mem_section = section_roots;
unsigned int page_reporting_order = pageblock_order;

/* The others are stubs that return 0; this lock is always free. */
int __lockfunc _raw_spin_trylock(raw_spinlock_t *lock)
{
	return 1;
}

static void fill_zone(struct zone *zone)
{
	unsigned int order, type;

	zone->name = "Normal";
	zone->zone_pgdat = &node;
	zone->zone_start_pfn = START_PFN;
	zone->spanned_pages = zone->present_pages = PAGES_PER_SECTION;
	atomic_long_set(&zone->managed_pages, PAGES_PER_SECTION);
	/* nothing counts here: enough that no allocation waits or reclaims */
	atomic_long_set(&zone->vm_stat[NR_FREE_PAGES], PAGES_PER_SECTION);
	zone->per_cpu_pageset = (void __percpu *)&cpu_list;
	zone->per_cpu_zonestats = (void __percpu *)&cpu_zone_stat;
	for (order = 0; order < ARRAY_SIZE(zone->free_area); order++)
		for (type = 0; type < MIGRATE_TYPES; type++)
			INIT_LIST_HEAD(&zone->free_area[order].free_list[type]);
	/* not the limits of a zone that is starting, which empty the list page by page */
	zone->pageset_batch = cpu_list.batch = BATCH;
	cpu_list.high = HIGH;
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 7, 0)
	/* equal bounds: no automatic tuning, which would depend on time */
	zone->pageset_high_min = zone->pageset_high_max = HIGH;
	cpu_list.high_min = cpu_list.high_max = HIGH;
#else
	zone->pageset_high = HIGH;
#endif
	for (type = 0; type < NR_PCP_LISTS; type++)
		INIT_LIST_HEAD(&cpu_list.lists[type]);
}

static void fill_section(void)
{
	struct mem_section *section = &sections[1];
	unsigned long block;

	section_roots[0] = sections;
	section->usage = &usage.usage;
	section->section_mem_map = SECTION_MARKED_PRESENT | SECTION_HAS_MEM_MAP | SECTION_IS_ONLINE |
				   SECTION_IS_EARLY;
	for (block = 0; block < SECTION_BLOCKFLAGS_BITS; block += NR_PAGEBLOCK_BITS)
		usage.usage.pageblock_flags[block / BITS_PER_LONG] |=
			(unsigned long)MIGRATE_MOVABLE << (block % BITS_PER_LONG);
}

void world_setup(void)
{
	struct zone *zone = &node.node_zones[ZONE_NORMAL];
	unsigned long pfn;

	node.per_cpu_nodestats = (void __percpu *)&cpu_node_stat;
	node.nr_zones = MAX_NR_ZONES;
	node.node_zonelists[0]._zonerefs[0] = (struct zoneref){ zone, ZONE_NORMAL };
	fill_zone(zone);
	fill_section();
	for (pfn = START_PFN; pfn < START_PFN + PAGES_PER_SECTION; pfn++) {
		struct page *page = pfn_to_page(pfn);

		set_page_links(page, ZONE_NORMAL, 0, pfn);
		init_page_count(page);
		atomic_set(&page->_mapcount, -1);
		INIT_LIST_HEAD(&page->lru);
	}
}

/* Free the page with that number, counted from the start of the zone. */
void world_free(unsigned long number)
{
	__free_pages(pfn_to_page(START_PFN + number), 0);
}

/* Allocate a page as a fault of a program does; its number, or -1. */
long world_allocate(void)
{
	struct page *page = alloc_pages_node(0, GFP_HIGHUSER_MOVABLE, 0);

	return page ? page_to_pfn(page) - START_PFN : -1;
}

/* Send what the CPU's list still holds to the free lists. */
void world_drain(void)
{
	while (cpu_list.count)
		drain_zone_pages(&node.node_zones[ZONE_NORMAL], &cpu_list);
}

/* How many blocks of an order the free lists hold. */
unsigned long world_free_blocks(unsigned int order)
{
	return node.node_zones[ZONE_NORMAL].free_area[order].nr_free;
}

/* Where struct page of the zone's first page lies, and how much memory all take. */
unsigned long world_page_structs(void)
{
	return (unsigned long)pfn_to_page(START_PFN);
}

unsigned long world_page_structs_bytes(void)
{
	return PAGES_PER_SECTION * sizeof(struct page);
}
