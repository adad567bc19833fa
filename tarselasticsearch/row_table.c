/* SPDX-License-Identifier: BSD-3-Clause */
#include "row.h"

#include "columns.h"
#include "source.h"

#include <stdio.h>

enum { NESTED_KEYS = 16384 };

static const char find_by_id[] = "SELECT seq,version FROM d$ WHERE hash=? AND id=?";

bool doc_read(struct db *db, const struct index *index, struct tars_str id,
              struct tars_arena *arena, struct doc *doc)
{
    *doc = (struct doc){.term = index->term};
    sqlite3_stmt *s = db_prepare_for(db, find_by_id, index->id);
    if (!s)
        return false;
    sqlite3_bind_int64(s, 1, index_hash(index, id));
    db_bind_str(s, 2, id);
    int rc = sqlite3_step(s);
    if (rc == SQLITE_ROW) {
        doc->found = true;
        doc->seq_no = sqlite3_column_int64(s, 0);
        doc->version = sqlite3_column_int64(s, 1);
        struct text source = {0};
        /* As long as the statement is not reset, both reads see the same state of the file. */
        if (source_read(db, index->id, doc->seq_no, &source) == SOURCE_GOOD)
            doc->source = tars_arena_copy(arena, text_str(&source));
        text_free(&source);
    }
    sqlite3_reset(s);
    return rc == SQLITE_DONE || (rc == SQLITE_ROW && doc->source.at);
}

/* The two statements of every write, without looking them up each time. */
static bool keep_statements(struct db *db, struct index *index)
{
    if (index->kept.dropped == db->dropped)
        return true;
    bool ok;
    do { /* the second may have dropped the first */
        index->kept.dropped = db->dropped;
        index->kept.find = db_prepare_for(db, find_by_id, index->id);
        index->kept.insert = db_prepare(db, tars_str(index->insert_sql));
        ok = index->kept.find && index->kept.insert;
    } while (ok && index->kept.dropped != db->dropped);
    if (!ok)
        index->kept.dropped = 0;
    return ok;
}

bool row_find(struct db *db, struct index *index, struct tars_str id, struct doc *doc)
{
    *doc = (struct doc){.term = index->term};
    if (!keep_statements(db, index))
        return false;
    sqlite3_stmt *s = index->kept.find;
    sqlite3_bind_int64(s, 1, index_hash(index, id));
    db_bind_str(s, 2, id);
    int rc = sqlite3_step(s);
    if (rc == SQLITE_ROW) {
        doc->found = true;
        doc->seq_no = sqlite3_column_int64(s, 0);
        doc->version = sqlite3_column_int64(s, 1);
    }
    sqlite3_reset(s);
    return rc == SQLITE_ROW || rc == SQLITE_DONE;
}

struct tables {
    bool many, nested;
};

static void note_tables(void *user, struct field *f)
{
    struct tables *tables = user;
    tables->many |= f->many;
    tables->nested |= f->nested;
}

/* The keys of a document's nested rows are below zero: none is a document's number. */
static int64_t nested_key(int64_t seq, int at)
{
    return -(seq * NESTED_KEYS + at) - 1;
}

static bool remove_nested(struct db *db, const struct index *index, int64_t seq, bool many)
{
    static const char *const statements[] = {"DELETE FROM n$ WHERE seq BETWEEN ? AND ?",
                                             "DELETE FROM m$ WHERE seq BETWEEN ? AND ?"};
    for (int i = 0; i < 1 + many; i++) {
        sqlite3_stmt *s = db_prepare_for(db, statements[i], index->id);
        if (s) {
            sqlite3_bind_int64(s, 1, nested_key(seq, NESTED_KEYS - 1));
            sqlite3_bind_int64(s, 2, nested_key(seq, 0));
        }
        if (!db_run(s))
            return false;
    }
    return true;
}

bool row_remove(struct db *db, const struct index *index, int64_t seq)
{
    static const char *const statements[] = {"DELETE FROM d$ WHERE seq=?",
                                             "DELETE FROM m$ WHERE seq=?"};
    struct tables tables = {0};
    if (!columns_forget(db, index, seq))
        return false;
    mapping_each(index->mapping, note_tables, &tables);
    for (int i = 0; i < 1 + tables.many; i++) {
        sqlite3_stmt *s = db_prepare_for(db, statements[i], index->id);
        if (s)
            sqlite3_bind_int64(s, 1, seq);
        if (!db_run(s))
            return false;
    }
    if (!source_remove(db, index, seq))
        return false;
    return !tables.nested || remove_nested(db, index, seq, tables.many);
}

static bool insert_many(struct db *db, const struct row *row, const struct cell *cells, int column,
                        int64_t seq)
{
    const struct cell *cell = &cells[column];
    struct extra first = {cell->first, cell->more};
    for (const struct extra *e = &first; e; e = e->next) {
        sqlite3_stmt *s = db_prepare_for(
            db,
            "INSERT INTO m$(field,value,seq,n) VALUES(?,?,?,1) ON CONFLICT DO "
            "UPDATE SET n=n+1",
            row->index->id);
        if (!s)
            return false;
        sqlite3_bind_int64(s, 1, column);
        value_bind(s, 2, &e->value);
        sqlite3_bind_int64(s, 3, seq);
        if (!db_run(s))
            return false;
    }
    return true;
}

/* Only the columns that have a value are named. */
static bool insert_nested(struct db *db, const struct row *row, struct nested_row *one, int64_t seq,
                          int at)
{
    struct text sql = {0}, places = {0};
    int bound = 4;
    one->key = nested_key(seq, at);
    text_addf(&sql, "INSERT INTO n%lld(seq,path,up", (long long)row->index->id);
    for (int i = 0; i < one->size; i++) {
        if (!one->cells[i].first.kind || one->cells[i].more)
            continue;
        text_addf(&sql, ",f%d", i);
        text_adds(&places, ",?");
    }
    text_addf(&sql, ") VALUES(?,?,?%s)", places.at ? places.at : "");
    sqlite3_stmt *s = db_prepare(db, text_str(&sql));
    text_free(&sql);
    text_free(&places);
    if (!s)
        return false;
    sqlite3_bind_int64(s, 1, one->key);
    sqlite3_bind_int(s, 2, one->path);
    sqlite3_bind_int64(s, 3, one->up ? one->up->key : seq);
    for (int i = 0; i < one->size; i++)
        if (one->cells[i].first.kind && !one->cells[i].more)
            value_bind(s, bound++, &one->cells[i].first);
    if (!db_run(s))
        return false;
    for (int i = 0; i < one->size; i++)
        if (one->cells[i].more && !insert_many(db, row, one->cells, i, one->key))
            return false;
    return true;
}

bool row_insert(struct db *db, struct row *row, int64_t seq, int64_t version,
                struct tars_str source)
{
    if (!keep_statements(db, row->index))
        return false;
    sqlite3_stmt *s = row->index->kept.insert;
    sqlite3_clear_bindings(s);
    sqlite3_bind_int64(s, 1, seq);
    db_bind_str(s, 2, row->id);
    sqlite3_bind_int64(s, 3, version);
    sqlite3_bind_int64(s, 4, index_hash(row->index, row->id));
    for (int i = 0; i < row->size && i < row->mapping->columns; i++)
        if (row->cells[i].number && !row->cells[i].more)
            sqlite3_bind_int64(s, i + 5, row->cells[i].number);
        else if (row->cells[i].first.kind && !row->cells[i].more)
            value_bind(s, i + 5, &row->cells[i].first);
    if (!db_run(s))
        return false;
    for (int i = 0; i < row->size && i < row->mapping->columns; i++)
        if (row->cells[i].more && !insert_many(db, row, row->cells, i, seq))
            return false;
    int at = 0;
    for (struct nested_row *one = row->nested; one; one = one->next)
        if (!insert_nested(db, row, one, seq, at++))
            return false;
    return source_add(db, row->index, seq, source);
}
