/* SPDX-License-Identifier: BSD-3-Clause */
/* The parameter filter_path, which leaves only parts of an answer: "hits.hits._id,took,_sh*". */
#ifndef STORE_FILTER_PATH_H
#define STORE_FILTER_PATH_H

#include "request.h"

enum { FILTER_PATHS = 32 };

/* Cuts the answer when the parameter is there; one it does not know is refused. */
void filter_path(struct request *r, struct tars_arena *arena);

#endif
