/* SPDX-License-Identifier: BSD-3-Clause */
/* Certificate and key of the HTTPS port, in two PEM files that may be replaced while it serves. */
#ifndef STORE_CERTIFICATE_H
#define STORE_CERTIFICATE_H

#include <stdint.h>
#include <tars/types.h>

/* TLS 1.2 and 1.3. */
#define CERTIFICATE_PRIORITIES "NORMAL:-VERS-TLS1.0:-VERS-TLS1.1:-VERS-DTLS-ALL"

struct certificate {
    char *chain, *key; /* PEM */
};

/* The files, and what they looked like when they were read or refused last. */
struct certificate_files {
    const char *chain, *key; /* paths; NULL: there are none */
    uint64_t seen[2];
};

/* NULL with the reason, which names the file: not there, not PEM, or not a pair. */
struct certificate *certificate_load(struct certificate_files *files, struct tars_error *error);
void certificate_free(struct certificate *certificate);
/* They do not look as when they were loaded. */
bool certificate_changed(const struct certificate_files *files);

#endif
