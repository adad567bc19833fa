/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Calls to functions that are known only from a .tars file: JSON to the body of a request, the body
 * of an answer to JSON. Versions are those of a packet: 1 (Tars), 3 (TUP), 5 (JSON).
 */
#ifndef IDL_DYNAMIC_H
#define IDL_DYNAMIC_H

#include <idl/ast.h>
#include <tars/json.h>
#include <tars/wire.h>

/*
 * `json` is an object with the in parameters by name; one that is missing or does not fit is an
 * error that names it. Out parameters may stand there and are passed over. Memory comes from the
 * arena.
 */
bool idl_request_from_json(const struct idl_function *function, int version, struct tars_str json,
                           struct tars_arena *arena, struct tars_writer *body,
                           struct tars_error *error) TARS_MUSTCHECK;

/* An object with the out parameters by name and the return value as "tars_ret". */
bool idl_response_to_json(const struct idl_function *function, int version, struct tars_str body,
                          struct tars_arena *arena, struct tars_json_writer *json,
                          struct tars_error *error) TARS_MUSTCHECK;

/* One value: the JSON that the reader stands on as a field; a field as JSON. */
bool idl_write_value(struct tars_writer *w, uint8_t tag, const struct idl_type *type,
                     struct tars_json_reader *json) TARS_MUSTCHECK;
bool idl_read_value(struct tars_reader *r, uint8_t tag, const struct idl_type *type,
                    struct tars_json_writer *json) TARS_MUSTCHECK;

#endif
