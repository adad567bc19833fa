/* SPDX-License-Identifier: BSD-3-Clause */
#include "index_tables.h"

#include "source.h"

#include <stdlib.h>

struct insert_sql {
    struct text names, places;
};

static void add_column_sql(void *user, struct field *f)
{
    struct insert_sql *sql = user;
    if (f->inside || f->nested)
        return;
    text_addf(&sql->names, ",f%d", f->column);
    text_addf(&sql->places, ",?%d", f->column + 5);
}

void index_tables_make_insert(struct index *index)
{
    struct insert_sql sql = {0};
    text_addf(&sql.names, "INSERT INTO d%lld(seq,id,version,hash", (long long)index->id);
    mapping_each(index->mapping, add_column_sql, &sql);
    text_addf(&sql.names, ") VALUES(?1,?2,?3,?4%s)", sql.places.at ? sql.places.at : "");
    text_free(&sql.places);
    free(index->insert_sql);
    index->insert_sql = sql.names.at;
    index->kept.dropped = 0;
}

struct column_maker {
    struct db *db;
    const struct mapping *known;
    int64_t id;
    bool ok, many;
};

/* Dates are what everybody asks ranges of, so they have an index from the start. */
static void make_column(void *user, struct field *f)
{
    struct column_maker *m = user;
    const struct field *old = m->known ? mapping_find(m->known, tars_str(f->path)) : NULL;
    struct text sql = {0};
    m->many |= f->many;
    if (!m->ok || (old && old->column >= 0))
        return;
    if (f->nested)
        text_addf(&sql,
                  "CREATE TABLE IF NOT EXISTS n%lld(seq INTEGER PRIMARY KEY, path INTEGER, up "
                  "INTEGER);CREATE INDEX IF NOT EXISTS z%lld ON n%lld(up)",
                  (long long)m->id, (long long)m->id, (long long)m->id);
    else
        text_addf(&sql, "ALTER TABLE %c%lld ADD COLUMN f%d", f->inside ? 'n' : 'd',
                  (long long)m->id, f->column);
    m->ok = db_exec(m->db, sql.at);
    if (m->ok && f->type == FIELD_DATE && f->index && !f->inside) {
        f->indexed = true;
        text_cut(&sql, 0);
        text_addf(&sql, "CREATE INDEX x%lld_%d ON d%lld(f%d)", (long long)m->id, f->column,
                  (long long)m->id, f->column);
        m->ok = db_exec(m->db, sql.at);
    }
    text_free(&sql);
}

bool index_tables_extend(struct db *db, struct index *index, const struct mapping *known)
{
    struct column_maker maker = {db, known, index->id, true, false};
    struct text sql = {0};
    mapping_each(index->mapping, make_column, &maker);
    if (maker.ok && maker.many) {
        long long id = (long long)index->id;
        text_addf(
            &sql,
            "CREATE TABLE IF NOT EXISTS m%lld(field INTEGER, value, seq INTEGER, n INTEGER NOT "
            "NULL DEFAULT 1, PRIMARY KEY(field,value,seq)) WITHOUT ROWID;"
            "CREATE INDEX IF NOT EXISTS y%lld ON m%lld(seq)",
            id, id, id);
        maker.ok = db_exec(db, sql.at);
    }
    text_free(&sql);
    index_tables_make_insert(index);
    return maker.ok;
}

bool index_tables_make(struct db *db, struct index *index)
{
    struct text sql = {0};
    long long id = (long long)index->id;
    text_addf(
        &sql,
        "CREATE TABLE d%lld(seq INTEGER PRIMARY KEY, id TEXT NOT NULL, version INTEGER NOT NULL, "
        "hash "
        "INTEGER NOT NULL);"
        "CREATE INDEX i%lld ON d%lld(hash);"
        "CREATE TABLE s%lld(seq INTEGER PRIMARY KEY, more INTEGER NOT NULL, source BLOB NOT NULL)",
        id, id, id, id);
    bool ok = db_exec(db, sql.at);
    text_free(&sql);
    return ok && index_tables_extend(db, index, NULL);
}

bool index_tables_drop(struct db *db, const struct index *index)
{
    struct text sql = {0};
    long long id = (long long)index->id;
    text_addf(&sql,
              "DROP TABLE d%lld;DROP TABLE s%lld;DROP TABLE IF EXISTS m%lld;"
              "DROP TABLE IF EXISTS n%lld;DROP TABLE IF EXISTS c%lld;"
              "DELETE FROM dictionaries WHERE id=%lld;DELETE FROM indices WHERE id=%lld",
              id, id, id, id, id, id, id);
    db_forget(db);
    bool ok = source_flush(db);
    source_forget(db);
    ok = ok && db_exec(db, sql.at);
    text_free(&sql);
    return ok;
}
