/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The words that keyword columns hold over and over (names of services, hosts, dates), each with a
 * number that stands for it in the documents' tables: one or two bytes instead of the word. The
 * data file's, shared by all indices. Words are added until it is full, and stay.
 *
 * In SQL, word(x) is a column's text again: the word of a number, a text as it is.
 */
#ifndef STORE_VOCABULARY_H
#define STORE_VOCABULARY_H

#include "db.h"

enum {
    VOCABULARY_SIZE = 65536,
    VOCABULARY_SHORTEST = 6, /* bytes: what is shorter is no longer than its number would be */
    VOCABULARY_LONGEST = 64
};

struct vocabulary;

/* Reads the data file's; its table must be there. */
struct vocabulary *vocabulary_open(struct db *db, struct tars_error *error);
void vocabulary_free(struct vocabulary *v);
/* Makes word() known to a connection. */
bool vocabulary_attach(struct vocabulary *v, struct db *db);

/* ---- the writer's ------------------------------------------------------------------------------
 */

/* A word's number, from 1 on; 0 for what stays a text: not of such a length, or no room. False when
 * the data file refuses. */
bool vocabulary_add(struct vocabulary *v, struct db *db, struct tars_str word, int64_t *number,
                    bool *fresh);
/* After a commit, and after a roll back. */
void vocabulary_keep(struct vocabulary *v);
void vocabulary_forget(struct vocabulary *v);

/* ---- anybody's ---------------------------------------------------------------------------------
 */

/* A kept word's number, or 0. */
int64_t vocabulary_find(struct vocabulary *v, struct tars_str word);

#endif
