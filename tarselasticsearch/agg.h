/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the kinds of aggregation share. A kind is a table row: how its body is read, how big its
 * state is, how it takes in a document and how it prints. A state of zeros is the state before the
 * first document. States lie behind one another in the bucket that they belong to.
 */
#ifndef STORE_AGG_H
#define STORE_AGG_H

#include "aggs.h"
#include "conditions.h"
#include "query.h"

struct agg;

/* A field that some aggregation reads, or a condition that one asks: a column of the pass. */
struct agg_slot {
    struct tars_str field;
    const struct json *filter; /* else a field */
    struct tars_str scope;     /* the path of the nested aggregation around it, or empty */
    bool seen;                 /* some index knows the field */
    enum field_type type;
    const char *format;
    /* of the index and the document that are being read */
    const struct field *at;
    struct value *values;
    size_t count, size;
    const struct block *block;     /* while a block is read; NULL: no document has a value */
    struct conditions *conditions; /* of a filter that is asked of blocks */
    bool *holds;                   /* which rows of the block it finds */
};

/* What is not in the arena and ends with the search. */
struct agg_owned {
    void *what;
    void (*end)(void *);
    struct agg_owned *next;
};

struct aggs {
    struct tars_arena *arena;
    struct failure *failure;
    struct agg *top;
    size_t states; /* bytes of a top bucket's states */
    struct agg_slot **slots;
    size_t slot_count, slot_size, count, buckets;
    struct db *db;
    const struct index_list *indices;
    size_t at;                 /* in the list, of */
    const struct index *index; /* that is being read */
    struct agg_owned *owned;
    struct tars_str scope; /* the nested path that is being read about, or collected */
    int64_t seq;
    int blank;   /* inside a bucket that was only made to fill a gap */
    bool scored; /* someone asks for the documents' scores */
    double score;
    char *top_states;
    struct agg_columns *columns; /* while an index is read by blocks */
    uint32_t block;              /* counts the blocks that were read, from 1 on */
    int64_t lacking;             /* blocks whose columns are not there */
};

struct bucket {
    struct value key;
    const struct value *parts; /* of a composite key */
    int64_t docs;
    _Alignas(8) char states[];
};

struct agg_kind {
    const char *name;
    bool holds_buckets;
    size_t state;
    bool (*parse)(struct aggs *all, struct agg *a, const struct json *body);
    bool (*collect)(struct aggs *all, const struct agg *a, void *state);
    bool (*print)(struct aggs *all, const struct agg *a, void *state, struct text *to);
    /* Takes in rows of a block, at most AGG_ROWS, each for the state at `offset` of its own
     * bucket's states; NULL: collects them one by one. */
    bool (*collect_rows)(struct aggs *all, const struct agg *a, char *const *states,
                         const uint16_t *rows, size_t count);
    bool by_document; /* needs the document itself, not only its values */
};

enum { AGG_ROWS = 1024 };

struct agg {
    struct tars_str name;
    const struct agg_kind *kind;
    const struct json *meta;
    struct agg *sub, *next;
    size_t offset; /* of the state in its bucket */
    size_t states; /* bytes of all subs' states */
    int depth;
    struct tars_str scope; /* of the ones below, when it is not that of this one */
    struct agg_slot *slot;
    struct value missing; /* text and number of what "missing" says */
    bool has_missing;
    void *options;           /* the kind's own */
    struct agg_batch *batch; /* the memory of collect_rows */
};

extern const struct agg_kind agg_metric_kinds[], agg_terms_kinds[], agg_histogram_kinds[],
    agg_range_kinds[], agg_filter_kinds[], agg_composite_kinds[], agg_top_hits_kinds[],
    agg_nested_kinds[];

/* ---- reading ------------------------------------------------------------------------------- */

bool agg_refuse(struct aggs *all, const char *type, const char *format, ...) TARS_PRINTF(3, 4);
/* As an illegal argument that the shards found. */
bool agg_refuse_shard(struct aggs *all, const char *format, ...) TARS_PRINTF(2, 3);
/* [kind] unknown field [name] */
bool agg_unknown(struct aggs *all, const struct agg *a, const struct json *p);
/* Takes "field" and "missing"; `taken` says whether it was one of them. */
bool agg_common(struct aggs *all, struct agg *a, const struct json *p, bool *taken);
bool agg_need_field(struct aggs *all, const struct agg *a);
struct agg_slot *agg_add_slot(struct aggs *all, struct tars_str field, const struct json *filter);
bool agg_number(struct aggs *all, const struct json *p, double *to);
bool agg_flag(struct aggs *all, const struct json *p, bool *to);
/* Ends `what` with the search, also when this fails. */
bool aggs_own(struct aggs *all, void *what, void (*end)(void *));
/* Zeroed memory; NULL with the failure when the request holds too much. */
void *agg_alloc(struct aggs *all, size_t size);

/* ---- collecting ---------------------------------------------------------------------------- */

/* The document's values of the aggregation's field, with what "missing" says instead of none. */
const struct value *agg_values(struct aggs *all, const struct agg *a, size_t *count);
double agg_double(const struct value *v);
/* Reads the slots of a scope from the columns of a row, from column `first` on, in their order. */
bool agg_read_slots(struct aggs *all, struct tars_str scope, sqlite3_stmt *s, int first);
/* Appends ",expression" for each slot of the scope; `nested`: the scope's field. */
bool agg_select_slots(struct aggs *all, struct query *q, struct tars_str scope,
                      const struct field *nested);
struct bucket *agg_bucket(struct aggs *all, const struct agg *a);
/* Counts the document in and hands it to the aggregations below. */
bool agg_enter(struct aggs *all, const struct agg *a, struct bucket *b);

/* ---- collecting rows of a block (agg_rows.c) ------------------------------------------------ */

/* Whether everything that is asked of the index can be read from packed columns; the query was
 * found to be sound, and the slots know their fields. */
bool agg_fits_blocks(struct aggs *all, const struct json *query);
/* Goes over the index by its packed columns, and by `documents`, which collects those from `from`
 * to `to`, where there are none. */
typedef bool agg_documents(struct aggs *all, void *user, int64_t from, int64_t to);
bool agg_run_blocks(struct aggs *all, agg_documents *documents, void *user);
void agg_wish_columns(struct aggs *all, struct index *index);
/* One by one: what a kind does by default. */
bool agg_collect_each(struct aggs *all, const struct agg *a, char *const *states,
                      const uint16_t *rows, size_t count);
/* Counts each row into its bucket (NULL: into none) and hands it on. */
bool agg_enter_rows(struct aggs *all, const struct agg *a, struct bucket *const *buckets,
                    const uint16_t *rows, size_t count);
/* The same for buckets that depend on the field's value alone, which `find` finds (or NULL). */
typedef bool agg_find(struct aggs *all, const struct agg *a, void *state, const struct value *v,
                      struct bucket **found);
bool agg_rows_by_value(struct aggs *all, const struct agg *a, char *const *states,
                       const uint16_t *rows, size_t count, agg_find *find);
/* Room for one more value. */
bool agg_slot_room(struct aggs *all, struct agg_slot *slot);
/* Room for AGG_ROWS buckets; NULL with the failure. */
struct bucket **agg_row_buckets(struct aggs *all, const struct agg *a);

/* Buckets by their key. */
struct bucket_map {
    struct bucket **slots, **list;
    size_t size, count, room;
};
/* Finds it or makes it; NULL with the failure. */
struct bucket *bucket_map_get(struct aggs *all, const struct agg *a, struct bucket_map *m,
                              const struct value *key);
void bucket_map_clear(struct bucket_map *m);
/* Puts back one that was in it before it was cleared. */
void bucket_map_put(struct bucket_map *m, struct bucket *b);
uint64_t value_hash(const struct value *v);
int value_order(const struct value *a, const struct value *b);

/* ---- printing ------------------------------------------------------------------------------ */

/* ,"doc_count":… and what stands below; counts the bucket. NULL: an empty one. */
bool agg_print_bucket(struct aggs *all, const struct agg *a, struct bucket *b, struct text *to);
/* A value as JSON, and as the text that "key_as_string" shows. */
void agg_print_value(const struct value *v, struct text *to);
void agg_print_string(const struct value *v, enum field_type type, const char *format,
                      struct text *to);
bool agg_shows_string(enum field_type type);
/* "name", "name.property": the number to sort by; false when there is none. */
bool agg_sort_value(const struct agg *a, const struct bucket *b, struct tars_str path, double *v);
bool agg_metric_value(const struct agg *a, const void *state, struct tars_str property, double *v);

#endif
