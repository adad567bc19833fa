/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The configuration text of Tars: domains in angle brackets, "key=value" lines. Reading, looking
 * up by path, merging and printing, as every Tars program does it.
 */
#ifndef TARS_CONF_H
#define TARS_CONF_H

#include <tars/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * A tree of domains with keys in order. One thread at a time; many may read one that nobody
 * changes. Every text that is handed out stays valid until tars_conf_free.
 */
struct tars_conf;

/* An empty configuration. */
struct tars_conf *tars_conf_new(void);
void tars_conf_free(struct tars_conf *conf);

/* NULL with "line N: ..." for a text that does not parse: wrong tags, unknown escapes, a NUL byte,
 * more than 100 domains inside each other, more than 16 MiB. */
struct tars_conf *tars_conf_parse(struct tars_str text, struct tars_error *error) TARS_MUSTCHECK;
/* Reads a file of at most 16 MiB; the error names the file. */
struct tars_conf *tars_conf_load(const char *path, struct tars_error *error) TARS_MUSTCHECK;

/*
 * The value at "/a/b<key>" (may be empty), or `fallback` when domain or key is missing, or the
 * path is not of that form.
 */
const char *tars_conf_get(const struct tars_conf *conf, const char *path, const char *fallback);
/* True when the key, or without "<key>" the domain, is there. */
bool tars_conf_has(const struct tars_conf *conf, const char *path);

/*
 * A whole number within min..max. Missing or empty: `fallback`. Anything else that is not such a
 * number: false, with an error that names the path and what is allowed.
 */
bool tars_conf_int(const struct tars_conf *conf, const char *path, int64_t min, int64_t max,
                   int64_t fallback, int64_t *value, struct tars_error *error) TARS_MUSTCHECK;

/* Sets a key, making the domains on the way; it becomes the last of its domain. False, and nothing
 * is done, when the path is not "/a/b<key>" or has more than 100 domains. */
bool tars_conf_set(struct tars_conf *conf, const char *path, const char *value);

/* Walks: the i-th sub-domain's name or key of a domain in order, NULL behind the last. */
const char *tars_conf_domain(const struct tars_conf *conf, const char *domain, size_t i);
const char *tars_conf_key(const struct tars_conf *conf, const char *domain, size_t i);
/* The i-th line of a domain's text, trimmed but not unescaped: for lists of bare words. Keys that
 * were set by tars_conf_set are not among them. */
const char *tars_conf_line(const struct tars_conf *conf, const char *domain, size_t i);

/* Puts `other` over `conf`: its keys replace ours when `update`, else ours win. */
void tars_conf_join(struct tars_conf *conf, const struct tars_conf *other, bool update);

/* The text form into the arena, top-level domains in alphabetical order, without keys outside any
 * domain. What was parsed can always be written. False, naming it, for a key, value or domain that
 * was set and would not read back: outer blanks, a key that begins with '<' or '#'. */
bool tars_conf_print(const struct tars_conf *conf, struct tars_arena *arena, struct tars_str *text,
                     struct tars_error *error) TARS_MUSTCHECK;

#ifdef __cplusplus
}
#endif
#endif
