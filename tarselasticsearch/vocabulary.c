/* SPDX-License-Identifier: BSD-3-Clause */
#include "vocabulary.h"

#include "base/map.h"
#include "base/xmalloc.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

enum { CHUNK = 256 };

struct vocabulary {
    /* By number. A word does not move and is not changed once its number is below `count`. */
    struct tars_str *chunks[VOCABULARY_SIZE / CHUNK];
    _Atomic uint32_t count, kept; /* numbers, from 0, which is no word; those that are committed */
    pthread_rwlock_t lock;        /* of the map: the writer changes it, everybody looks into it */
    struct map *numbers;
};

static struct tars_str *at(const struct vocabulary *v, uint32_t number)
{
    return &v->chunks[number / CHUNK][number % CHUNK];
}

static void put(struct vocabulary *v, struct tars_str word)
{
    uint32_t number = v->count;
    if (!v->chunks[number / CHUNK])
        v->chunks[number / CHUNK] = xcalloc(CHUNK, sizeof **v->chunks);
    *at(v, number) = tars_str_n(xstrndup(word.at, word.len), word.len);
    pthread_rwlock_wrlock(&v->lock);
    map_put(v->numbers, word, (void *)(uintptr_t)number);
    pthread_rwlock_unlock(&v->lock);
    atomic_store_explicit(&v->count, number + 1, memory_order_release);
}

static bool load(struct vocabulary *v, struct db *db)
{
    sqlite3_stmt *s = db_prepare(db, tars_str("SELECT number,word FROM words ORDER BY number"));
    int rc = SQLITE_ERROR;
    while (s && (rc = sqlite3_step(s)) == SQLITE_ROW && v->count < VOCABULARY_SIZE &&
           sqlite3_column_int64(s, 0) == v->count)
        put(v, db_column_str(s, 1));
    if (s)
        sqlite3_reset(s);
    vocabulary_keep(v);
    return rc == SQLITE_DONE;
}

struct vocabulary *vocabulary_open(struct db *db, struct tars_error *error)
{
    struct vocabulary *v = xcalloc(1, sizeof *v);
    pthread_rwlock_init(&v->lock, NULL);
    v->numbers = map_new(NULL);
    v->count = 1;
    if (load(v, db) && vocabulary_attach(v, db))
        return v;
    tars_fail(error, 1, "reading the words of keyword fields: %s", db_problem(db));
    vocabulary_free(v);
    return NULL;
}

void vocabulary_free(struct vocabulary *v)
{
    if (!v)
        return;
    for (uint32_t number = 1; number < v->count; number++)
        free((char *)at(v, number)->at);
    for (size_t i = 0; i < VOCABULARY_SIZE / CHUNK; i++)
        free(v->chunks[i]);
    map_free(v->numbers);
    pthread_rwlock_destroy(&v->lock);
    free(v);
}

/* ---- the writer's
 * ------------------------------------------------------------------------------------- */

bool vocabulary_add(struct vocabulary *v, struct db *db, struct tars_str word, int64_t *number,
                    bool *fresh)
{
    *number = 0;
    *fresh = false;
    if (word.len < VOCABULARY_SHORTEST || word.len > VOCABULARY_LONGEST)
        return true;
    *number = (int64_t)(uintptr_t)map_get(v->numbers, word);
    if (*number || v->count == VOCABULARY_SIZE)
        return true;
    sqlite3_stmt *s = db_prepare(db, tars_str("INSERT INTO words(number,word) VALUES(?,?)"));
    if (!s)
        return false;
    sqlite3_bind_int64(s, 1, v->count);
    db_bind_str(s, 2, word);
    if (!db_run(s))
        return false;
    *number = v->count;
    *fresh = true;
    put(v, word);
    return true;
}

void vocabulary_keep(struct vocabulary *v)
{
    atomic_store_explicit(&v->kept, v->count, memory_order_release);
}

void vocabulary_forget(struct vocabulary *v)
{
    uint32_t kept = v->kept, count = v->count;
    atomic_store_explicit(&v->count, kept, memory_order_release);
    pthread_rwlock_wrlock(&v->lock);
    for (uint32_t number = kept; number < count; number++)
        map_remove(v->numbers, *at(v, number));
    pthread_rwlock_unlock(&v->lock);
    for (uint32_t number = kept; number < count; number++)
        free((char *)at(v, number)->at);
}

/* ---- anybody's
 * ---------------------------------------------------------------------------------------- */

int64_t vocabulary_find(struct vocabulary *v, struct tars_str word)
{
    if (word.len < VOCABULARY_SHORTEST || word.len > VOCABULARY_LONGEST)
        return 0;
    pthread_rwlock_rdlock(&v->lock);
    uint32_t number = (uint32_t)(uintptr_t)map_get(v->numbers, word);
    pthread_rwlock_unlock(&v->lock);
    return number < atomic_load_explicit(&v->kept, memory_order_acquire) ? number : 0;
}

static void run_word(sqlite3_context *context, int count, sqlite3_value **values)
{
    const struct vocabulary *v = sqlite3_user_data(context);
    (void)count;
    if (sqlite3_value_type(values[0]) != SQLITE_INTEGER) {
        sqlite3_result_value(context, values[0]);
        return;
    }
    int64_t number = sqlite3_value_int64(values[0]);
    if (number <= 0 || number >= atomic_load_explicit(&v->count, memory_order_acquire)) {
        sqlite3_result_error(context, "a keyword is a number that no word has", -1);
        return;
    }
    const struct tars_str *word = at(v, (uint32_t)number);
    sqlite3_result_text(context, word->at, (int)word->len, SQLITE_STATIC);
}

bool vocabulary_attach(struct vocabulary *v, struct db *db)
{
    return sqlite3_create_function(db->sql, "word", 1, SQLITE_UTF8 | SQLITE_DETERMINISTIC, v,
                                   run_word, NULL, NULL) == SQLITE_OK;
}
