/* SPDX-License-Identifier: BSD-3-Clause */
#include "source.h"

#include "base/xmalloc.h"

#include <stdlib.h>
#include <zlib.h>

enum { WINDOW = -12, LEVEL = 3, MEMORY = 5, HEAD = 5, SHORTEST = 64 };

struct packer {
    z_stream deflate, inflate;
    struct text packed;
};

void source_packer_free(struct packer *p)
{
    if (!p)
        return;
    deflateEnd(&p->deflate);
    inflateEnd(&p->inflate);
    text_free(&p->packed);
    free(p);
}

static struct packer *packer_of(struct db *db)
{
    if (db->packer)
        return db->packer;
    struct packer *p = xcalloc(1, sizeof *p);
    if (deflateInit2(&p->deflate, LEVEL, Z_DEFLATED, WINDOW, MEMORY, Z_DEFAULT_STRATEGY) == Z_OK &&
        inflateInit2(&p->inflate, WINDOW) == Z_OK)
        return db->packer = p;
    source_packer_free(p);
    return NULL;
}

/* ---- the dictionary
 * ------------------------------------------------------------------------------------ */

/* Valid until the statement is reset by the next call. */
static bool read_dictionary(struct db *db, int64_t index, sqlite3_stmt **s, struct tars_str *to)
{
    *to = (struct tars_str){0};
    *s = db_prepare(db, tars_str("SELECT bytes FROM dictionaries WHERE id=?"));
    if (!*s)
        return false;
    sqlite3_bind_int64(*s, 1, index);
    int rc = sqlite3_step(*s);
    if (rc == SQLITE_ROW)
        *to = db_column_str(*s, 0);
    return rc == SQLITE_ROW || rc == SQLITE_DONE;
}

static void keep_dictionary(struct index *index, struct tars_str bytes)
{
    index->dictionary = xmalloc(bytes.len);
    memcpy(index->dictionary, bytes.at, bytes.len);
    index->dictionary_len = bytes.len;
}

static bool load_dictionary(struct db *db, struct index *index, struct tars_str source)
{
    sqlite3_stmt *s;
    struct tars_str bytes;
    bool ok = read_dictionary(db, index->id, &s, &bytes), found = ok && bytes.len > 0;
    if (found)
        keep_dictionary(index, bytes);
    if (s)
        sqlite3_reset(s);
    if (!ok || found || source.len < SHORTEST)
        return ok;
    bytes = tars_str_n(source.at, source.len < SOURCE_DICTIONARY ? source.len : SOURCE_DICTIONARY);
    s = db_prepare(db, tars_str("INSERT INTO dictionaries(id,bytes) VALUES(?,?)"));
    if (!s)
        return false;
    sqlite3_bind_int64(s, 1, index->id);
    sqlite3_bind_blob(s, 2, bytes.at, (int)bytes.len, SQLITE_STATIC);
    if (!db_run(s))
        return false;
    keep_dictionary(index, bytes);
    return true;
}

/* ---- packing
 * ------------------------------------------------------------------------------------------- */

static const Bytef *bytes_of(struct tars_str s)
{
    return (const Bytef *)(s.at ? s.at : "");
}

static bool deflate_all(struct packer *p, const struct index *index, struct tars_str source)
{
    z_stream *z = &p->deflate;
    size_t bound = deflateBound(z, source.len) + HEAD;
    struct tars_str dictionary = tars_str_n(index->dictionary, index->dictionary_len);
    if (p->packed.size < bound) {
        text_free(&p->packed);
        p->packed.at = xmalloc(bound);
        p->packed.size = bound;
    }
    if (deflateReset(z) != Z_OK ||
        deflateSetDictionary(z, bytes_of(dictionary), (uInt)dictionary.len) != Z_OK)
        return false;
    z->next_in = (Bytef *)bytes_of(source);
    z->avail_in = (uInt)source.len;
    z->next_out = (Bytef *)p->packed.at + HEAD;
    z->avail_out = (uInt)(bound - HEAD);
    if (deflate(z, Z_FINISH) != Z_STREAM_END)
        return false;
    p->packed.len = bound - z->avail_out;
    p->packed.at[0] = SOURCE_PACKED;
    for (int i = 0; i < 4; i++)
        p->packed.at[1 + i] = (char)(source.len >> (8 * i) & 0xff);
    return true;
}

bool source_pack(struct db *db, struct index *index, struct tars_str source,
                 struct tars_str *stored)
{
    *stored = source;
    if (!index->dictionary && !load_dictionary(db, index, source))
        return false;
    struct packer *p = packer_of(db);
    if (!p || !index->dictionary || source.len < SHORTEST || source.len > UINT32_MAX / 2)
        return true;
    if (deflate_all(p, index, source) && p->packed.len < source.len)
        *stored = text_str(&p->packed);
    return true;
}

static bool inflate_all(struct packer *p, struct tars_str dictionary, struct tars_str stored,
                        char *to, size_t len)
{
    z_stream *z = &p->inflate;
    if (inflateReset(z) != Z_OK ||
        inflateSetDictionary(z, bytes_of(dictionary), (uInt)dictionary.len) != Z_OK)
        return false;
    z->next_in = (Bytef *)bytes_of(stored) + HEAD;
    z->avail_in = (uInt)(stored.len - HEAD);
    z->next_out = (Bytef *)to;
    z->avail_out = (uInt)len;
    return inflate(z, Z_FINISH) == Z_STREAM_END && z->avail_out == 0;
}

bool source_unpack(struct db *db, int64_t index, struct tars_str stored, struct text *to)
{
    sqlite3_stmt *s;
    struct tars_str dictionary;
    size_t len = 0;
    if (stored.len == 0 || stored.at[0] != SOURCE_PACKED) {
        text_add(to, stored.at, stored.len);
        return true;
    }
    struct packer *p = packer_of(db);
    for (size_t i = 0; i < 4 && stored.len > HEAD; i++)
        len |= (size_t)(unsigned char)stored.at[1 + i] << (8 * i);
    /* Deflate packs no byte into less than a thousandth. */
    if (!p || stored.len <= HEAD || len > stored.len * 1100)
        return false;
    bool ok = read_dictionary(db, index, &s, &dictionary);
    ok = ok && inflate_all(p, dictionary, stored, text_reserve(to, len), len);
    if (s)
        sqlite3_reset(s);
    if (ok)
        text_cut(to, to->len + len);
    return ok;
}
