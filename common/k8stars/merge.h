/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One configuration put over another the way K8STARS does it: texts stay as they are (no escapes),
 * tags and values may share a line, and the order is that of the first text, then the second's.
 */
#ifndef K8STARS_MERGE_H
#define K8STARS_MERGE_H

#include <tars/types.h>

/*
 * `over` replaces values of `base` and adds what it lacks; a value never replaces a section nor a
 * section a value. "${env:NAME}" in a value of `over` stands for that variable. The result lives in
 * `arena`. False with "line N: …" (and which of both texts) when one does not parse.
 */
bool merge_texts(struct tars_str base, struct tars_str over, struct tars_arena *arena,
                 struct tars_str *merged, struct tars_error *error) TARS_MUSTCHECK;

#endif
