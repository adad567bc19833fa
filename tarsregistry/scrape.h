/* SPDX-License-Identifier: BSD-3-Clause */
/* Where the metrics of instances can be scraped, grouped as Prometheus discovers them. */
#ifndef TARSREGISTRY_SCRAPE_H
#define TARSREGISTRY_SCRAPE_H

#include "registry.h"

struct scrape_group {
    struct tars_str application, server, set; /* "name.area.group", or "" */
    struct tars_str_list targets;             /* "node:port" */
};

struct scrape_list {
    size_t len;
    struct scrape_group *at;
};

/* Sorted by labels and target; everything in the arena. On the registry's loop. */
struct scrape_list scrape_collect(const struct registry *registry, struct tars_arena *arena);

#endif
