/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the kinds of aggregation share. A kind is a table row: how its body is read, how big its
 * state is, how it takes in a document and how it prints. A state of zeros is the state before the
 * first document. States lie behind one another in the bucket that they belong to.
 */
#ifndef STORE_AGG_H
#define STORE_AGG_H

#include "aggs.h"
#include "value.h"

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

/* "value", or a property of a metric with several: the number to sort by; false: has none
 * (agg_metric.c). */
bool agg_metric_value(const struct agg *a, const void *state, struct tars_str property, double *v);

/* ---- reading ------------------------------------------------------------------------------- */

bool agg_refuse(struct aggs *all, const char *type, const char *format, ...) TARS_PRINTF(3, 4);
/* As an illegal argument that the shards found. */
bool agg_refuse_shard(struct aggs *all, const char *format, ...) TARS_PRINTF(2, 3);
/* [kind] unknown field [name] */
bool agg_unknown(struct aggs *all, const struct agg *a, const struct json *p);
bool agg_number(struct aggs *all, const struct json *p, double *to);
bool agg_flag(struct aggs *all, const struct json *p, bool *to);
/* Ends `what` with the search, also when this fails. */
bool aggs_own(struct aggs *all, void *what, void (*end)(void *));
/* Zeroed memory; NULL with the failure when the request holds too much. */
void *agg_alloc(struct aggs *all, size_t size);

/* ---- collecting ---------------------------------------------------------------------------- */

struct bucket *agg_bucket(struct aggs *all, const struct agg *a);
/* Hands the document to each of a list, whose states lie behind one another. */
bool agg_collect_list(struct aggs *all, const struct agg *list, char *states);
/* Counts the document in and hands it to the aggregations below. */
bool agg_enter(struct aggs *all, const struct agg *a, struct bucket *b);

static inline double agg_double(const struct value *v)
{
    return v->kind == VALUE_INT ? (double)v->i : v->r;
}

#endif
