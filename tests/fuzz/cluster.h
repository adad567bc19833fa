/* SPDX-License-Identifier: BSD-3-Clause */
/* For fuzzers of tarsc: a server behind tarsc/access.h that takes whatever it gets, and no network.
 */
#ifndef FUZZ_CLUSTER_H
#define FUZZ_CLUSTER_H

#include <stddef.h>
#include <stdint.h>

#include "tarsc/access.h"

struct access {
    size_t sent; /* documents, since the beginning */
};
/* The only one: access_open gives it too. Its indices exist. */
extern struct access cluster;

/* What is said to people from here on goes nowhere; the fuzzer itself still speaks. */
void cluster_quiet(void);
void cluster_write_file(const char *path, const uint8_t *bytes, size_t len);

#endif
