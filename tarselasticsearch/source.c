/* SPDX-License-Identifier: BSD-3-Clause */
#include "source.h"

#include "base/xmalloc.h"

#include <stdlib.h>
#include <zstd.h>

/* An unpacked block is documents one behind the other, each with its head before it. */
struct head {
    uint32_t behind; /* the block's first number */
    uint32_t len;
};

enum {
    LEVEL = 1,
    SHORTEST = 64,
    KEPT = 256 * 1024,
    DENSEST = 65536 /* no byte stands for more */
};

struct block {
    int64_t index, first, last;
    int count; /* 0: there is none */
    struct text bytes;
};

struct packer {
    ZSTD_CCtx *pack;
    ZSTD_DCtx *unpack;
    struct block open; /* what the writer has not put into the file yet */
    struct block last; /* what was read last */
    struct text packed;
    struct text dictionary; /* of `dictionary_of`; 0: of none */
    int64_t dictionary_of;
};

void source_packer_free(struct packer *p)
{
    if (!p)
        return;
    ZSTD_freeCCtx(p->pack);
    ZSTD_freeDCtx(p->unpack);
    text_free(&p->open.bytes);
    text_free(&p->last.bytes);
    text_free(&p->packed);
    text_free(&p->dictionary);
    free(p);
}

static struct packer *packer_of(struct db *db)
{
    if (!db->packer)
        db->packer = xcalloc(1, sizeof *db->packer);
    return db->packer;
}

static void forget_block(struct block *b)
{
    b->count = 0;
    if (b->bytes.size > KEPT)
        text_free(&b->bytes);
    else
        text_cut(&b->bytes, 0);
}

void source_forget(struct db *db)
{
    struct packer *p = db->packer;
    if (!p)
        return;
    forget_block(&p->open);
    forget_block(&p->last);
    p->dictionary_of = 0;
}

/* ---- the dictionary
 * ------------------------------------------------------------------------------------ */

static bool read_dictionary(struct db *db, struct packer *p, int64_t index)
{
    if (p->dictionary_of == index)
        return true;
    sqlite3_stmt *s = db_prepare(db, tars_str("SELECT bytes FROM dictionaries WHERE id=?"));
    if (!s)
        return false;
    sqlite3_bind_int64(s, 1, index);
    int rc = sqlite3_step(s);
    text_cut(&p->dictionary, 0);
    if (rc == SQLITE_ROW) {
        struct tars_str bytes = db_column_str(s, 0);
        text_add(&p->dictionary, bytes.at, bytes.len);
    }
    sqlite3_reset(s);
    p->dictionary_of = rc == SQLITE_ROW ? index : 0; /* one may come */
    return rc == SQLITE_ROW || rc == SQLITE_DONE;
}

/* The first document that is long enough becomes the dictionary of all that follow. */
static bool make_dictionary(struct db *db, struct packer *p, int64_t index, struct tars_str source)
{
    if (!read_dictionary(db, p, index))
        return false;
    if (p->dictionary_of || source.len < SHORTEST)
        return true;
    sqlite3_stmt *s = db_prepare(db, tars_str("INSERT INTO dictionaries(id,bytes) VALUES(?,?)"));
    if (!s)
        return false;
    sqlite3_bind_int64(s, 1, index);
    sqlite3_bind_blob(s, 2, source.at,
                      (int)(source.len < SOURCE_DICTIONARY ? source.len : SOURCE_DICTIONARY),
                      SQLITE_STATIC);
    return db_run(s) && read_dictionary(db, p, index);
}

/* ---- packing
 * ------------------------------------------------------------------------------------------- */

static bool ok(size_t result)
{
    return !ZSTD_isError(result);
}

static ZSTD_CCtx *make_pack(struct packer *p)
{
    if (!p->pack && (p->pack = ZSTD_createCCtx()) != NULL) {
        ZSTD_CCtx_setParameter(p->pack, ZSTD_c_compressionLevel, LEVEL);
        ZSTD_CCtx_setParameter(p->pack, ZSTD_c_checksumFlag, 1);
    }
    return p->pack;
}

static bool pack(struct packer *p, const struct block *b)
{
    size_t bound = ZSTD_compressBound(b->bytes.len);
    text_cut(&p->packed, 0);
    char *to = text_reserve(&p->packed, bound);
    if (!make_pack(p) || (p->dictionary_of == b->index &&
                          !ok(ZSTD_CCtx_refPrefix(p->pack, p->dictionary.at, p->dictionary.len))))
        return false;
    size_t len = ZSTD_compress2(p->pack, to, bound, b->bytes.at, b->bytes.len);
    if (ok(len))
        text_cut(&p->packed, len);
    return ok(len);
}

static bool write_block(struct db *db, struct packer *p, const struct block *b)
{
    struct head head;
    memcpy(&head, b->bytes.at, sizeof head);
    struct tars_str first = tars_str_n(b->bytes.at + sizeof head, head.len);
    if (!make_dictionary(db, p, b->index, first) || !pack(p, b))
        return false;
    sqlite3_stmt *s = db_prepare_for(db, "INSERT INTO s$(seq,more,source) VALUES(?,?,?)", b->index);
    if (!s)
        return false;
    sqlite3_bind_int64(s, 1, b->first);
    sqlite3_bind_int64(s, 2, b->last - b->first);
    sqlite3_bind_blob(s, 3, p->packed.at, (int)p->packed.len, SQLITE_STATIC);
    return db_run(s);
}

/* Whether it fits; an empty block takes any. */
static bool add_to(struct block *b, int64_t index, int64_t seq, struct tars_str source)
{
    if (b->count && (b->index != index || b->count >= SOURCE_COUNT ||
                     b->bytes.len + source.len > SOURCE_BLOCK || seq - b->first > UINT32_MAX))
        return false;
    if (!b->count)
        b->first = seq;
    struct head head = {(uint32_t)(seq - b->first), (uint32_t)source.len};
    text_add(&b->bytes, &head, sizeof head);
    text_add(&b->bytes, source.at, source.len);
    b->index = index;
    b->last = seq;
    b->count++;
    return true;
}

bool source_flush(struct db *db)
{
    struct packer *p = db->packer;
    if (!p || !p->open.count)
        return true;
    bool done = write_block(db, p, &p->open);
    forget_block(&p->open);
    return done;
}

/* Puts the open block into the file when a document lies in it, or may. */
static bool flush_for(struct db *db, int64_t index, int64_t seq)
{
    const struct packer *p = packer_of(db);
    return p->open.index != index || seq < p->open.first || source_flush(db);
}

bool source_add(struct db *db, struct index *index, int64_t seq, struct tars_str source)
{
    struct packer *p = packer_of(db);
    return source.len <= SOURCE_LIMIT &&
           (add_to(&p->open, index->id, seq, source) ||
            (source_flush(db) && add_to(&p->open, index->id, seq, source)));
}

/* ---- unpacking
 * ----------------------------------------------------------------------------------------- */

/* The head and the bytes of the document at `at`, which moves behind it; false at the end. */
static bool next_in(const struct block *b, size_t *at, struct head *head, struct tars_str *source)
{
    if (b->bytes.len - *at < sizeof *head)
        return false;
    memcpy(head, b->bytes.at + *at, sizeof *head);
    *at += sizeof *head;
    if (b->bytes.len - *at < head->len)
        return false;
    *source = tars_str_n(b->bytes.at + *at, head->len);
    *at += head->len;
    return true;
}

static bool unpack(struct packer *p, struct tars_str packed, struct block *b)
{
    unsigned long long len = packed.len ? ZSTD_getFrameContentSize(packed.at, packed.len) : 0;
    if (len < sizeof(struct head) || len > (unsigned long long)SOURCE_LIMIT + SOURCE_BLOCK ||
        len / DENSEST > packed.len)
        return false; /* the two values that mean an error are larger */
    if (!p->unpack && !(p->unpack = ZSTD_createDCtx()))
        return false;
    if (p->dictionary_of == b->index &&
        !ok(ZSTD_DCtx_refPrefix(p->unpack, p->dictionary.at, p->dictionary.len)))
        return false;
    char *to = text_reserve(&b->bytes, len);
    size_t got = ZSTD_decompressDCtx(p->unpack, to, len, packed.at, packed.len);
    if (got == len)
        text_cut(&b->bytes, len);
    return got == len;
}

/* Makes `last` the block that a document lies in. */
static enum source_state find_block(struct db *db, struct packer *p, int64_t index, int64_t seq)
{
    struct block *b = &p->last;
    if (b->count && b->index == index && b->first <= seq && seq <= b->last)
        return SOURCE_GOOD;
    forget_block(b);
    if (!read_dictionary(db, p, index))
        return SOURCE_LOST;
    sqlite3_stmt *s = db_prepare_for(
        db, "SELECT seq,more,source FROM s$ WHERE seq<=? ORDER BY seq DESC LIMIT 1", index);
    if (!s)
        return SOURCE_LOST;
    sqlite3_bind_int64(s, 1, seq);
    enum source_state state = sqlite3_step(s) == SQLITE_ROW ? SOURCE_GOOD : SOURCE_LOST;
    if (state == SOURCE_GOOD) {
        b->index = index;
        b->first = sqlite3_column_int64(s, 0);
        b->last = b->first + sqlite3_column_int64(s, 1);
        if (seq > b->last)
            state = SOURCE_LOST;
        else if (!unpack(p, db_column_str(s, 2), b))
            state = SOURCE_DAMAGED;
    }
    sqlite3_reset(s);
    b->count = state == SOURCE_GOOD;
    return state;
}

enum source_state source_read(struct db *db, int64_t index, int64_t seq, struct text *to)
{
    struct packer *p = packer_of(db);
    struct tars_str source;
    struct head head;
    if (!flush_for(db, index, seq))
        return SOURCE_LOST;
    enum source_state state = find_block(db, p, index, seq);
    for (size_t at = 0; state == SOURCE_GOOD && next_in(&p->last, &at, &head, &source);)
        if (p->last.first + head.behind == seq) {
            text_add(to, source.at, source.len);
            if (p->last.bytes.len > KEPT)
                forget_block(&p->last);
            return SOURCE_GOOD;
        }
    return state == SOURCE_GOOD ? SOURCE_LOST : state;
}

/* ---- removing
 * ------------------------------------------------------------------------------------------ */

/* How many documents of a block there still are; -1: the data file refuses. */
static int count_living(struct db *db, int64_t index, int64_t first, int64_t more)
{
    sqlite3_stmt *s = db_prepare_for(db, "SELECT count(*) FROM d$ WHERE seq BETWEEN ? AND ?",
                                     index);
    if (!s)
        return -1;
    sqlite3_bind_int64(s, 1, first);
    sqlite3_bind_int64(s, 2, first + more);
    int count = sqlite3_step(s) == SQLITE_ROW ? sqlite3_column_int(s, 0) : -1;
    sqlite3_reset(s);
    return count;
}

/* The block of what is left of another one. */
static bool collect_living(struct db *db, struct packer *p, int64_t index, int64_t first,
                           int64_t more, struct block *left)
{
    struct tars_str source;
    struct head head;
    size_t at = 0;
    if (find_block(db, p, index, first) != SOURCE_GOOD)
        return false;
    sqlite3_stmt *s = db_prepare_for(
        db, "SELECT seq FROM d$ WHERE seq BETWEEN ? AND ? ORDER BY seq", index);
    if (!s)
        return false;
    sqlite3_bind_int64(s, 1, first);
    sqlite3_bind_int64(s, 2, first + more);
    int rc;
    bool found = true;
    while (found && (rc = sqlite3_step(s)) == SQLITE_ROW) {
        int64_t seq = sqlite3_column_int64(s, 0);
        while ((found = next_in(&p->last, &at, &head, &source)) && first + head.behind != seq)
            ;
        found = found && add_to(left, index, seq, source);
    }
    sqlite3_reset(s);
    return found && rc == SQLITE_DONE;
}

static bool drop_block(struct db *db, int64_t index, int64_t first)
{
    sqlite3_stmt *s = db_prepare_for(db, "DELETE FROM s$ WHERE seq=?", index);
    if (s)
        sqlite3_bind_int64(s, 1, first);
    return db_run(s);
}

/* A block that cannot be read stays as it is: tarselasticsearch check names it. */
static bool pack_anew(struct db *db, int64_t index, int64_t first, int64_t more)
{
    struct packer *p = packer_of(db);
    struct block left = {0};
    bool done = true;
    if (collect_living(db, p, index, first, more, &left) && left.count)
        done = drop_block(db, index, first) && write_block(db, p, &left);
    forget_block(&p->last);
    text_free(&left.bytes);
    return done;
}

bool source_remove(struct db *db, const struct index *index, int64_t seq)
{
    if (!flush_for(db, index->id, seq))
        return false;
    sqlite3_stmt *s = db_prepare_for(
        db, "SELECT seq,more FROM s$ WHERE seq<=? ORDER BY seq DESC LIMIT 1", index->id);
    if (!s)
        return false;
    sqlite3_bind_int64(s, 1, seq);
    int rc = sqlite3_step(s);
    int64_t first = sqlite3_column_int64(s, 0), more = sqlite3_column_int64(s, 1);
    sqlite3_reset(s);
    if (rc != SQLITE_ROW)
        return rc == SQLITE_DONE;
    int living = more ? count_living(db, index->id, first, more) : 0;
    if (living < 0)
        return false;
    if (living == 0)
        return drop_block(db, index->id, first);
    return living * 4 > more + 1 || pack_anew(db, index->id, first, more);
}
