/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How hits are shown: index, id, score, source or parts of it, values of fields, sort keys. A page
 * knows all that is needed without the request and the catalogue, so that it can live with a
 * scroll.
 */
#ifndef STORE_HITS_H
#define STORE_HITS_H

#include "index.h"
#include "highlight.h"
#include "source_filter.h"
#include "value.h"

enum { HIT_SORTS = 8, HIT_FIELDS = 100 };

enum sort_kind { SORT_FIELD, SORT_DOC, SORT_SCORE };

struct sort {
    enum sort_kind kind;
    struct tars_str field;
    bool descending, missing_first, unmapped_ok;
    enum field_type type; /* of the first index that has the field */
    bool mapped;
};

/* What a request says of its hits. */
struct hit_options {
    struct source_filter source;
    bool versions, seq_nos, scores;        /* scores: also where hits are sorted otherwise */
    const struct json *docvalues, *fields; /* arrays */
    const struct json *collapse;           /* the name of the field, or NULL */
    struct highlight *highlight;           /* or NULL; only while the request and catalogue last */
};

/* Takes one member of a search's body; `taken` says whether it was an option of hits. */
bool hit_options_read(struct hit_options *o, const struct json *p, struct tars_arena *arena,
                      bool *taken, struct failure *failure);

struct page;

/* NULL with the failure when a field cannot be shown. */
struct page *page_new(const struct index_list *indices, const struct hit_options *options,
                      struct failure *failure);
void page_free(struct page *p);
size_t page_indices(const struct page *p);

struct hit {
    size_t index; /* in the list */
    int64_t seq, version;
    struct tars_str id;
    double score;
    bool scored;
    const struct sort *sorts; /* NULL: no keys are shown */
    const struct value *keys;
    size_t key_count;
};

/* Appends {…}; false when the data file refuses or the page's memory does not reach. */
bool page_add_hit(struct page *p, struct db *db, const struct hit *hit, struct text *to);
/* Reads the id and the version by the number. */
bool page_find(struct page *p, struct db *db, struct hit *hit, struct text *id);
/* One value as JSON, as a field of that type has it. */
void hit_print_value(const struct value *v, enum field_type type, const char *format,
                     struct text *to);
void value_from_column(sqlite3_stmt *s, int at, struct value *v);

#endif
