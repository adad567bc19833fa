/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What an index knows of its fields. A field that can be searched or sorted has a column; its
 * number never changes while the index lives. Sub-fields ("fields" of a text) stand under their
 * parent like the members of an object. How it is read from JSON: mapping_merge.h.
 */
#ifndef STORE_MAPPING_H
#define STORE_MAPPING_H

#include "failure.h"
#include "json.h"

enum field_type {
    FIELD_OBJECT,
    FIELD_KEYWORD,
    FIELD_TEXT,
    FIELD_LONG,
    FIELD_INTEGER,
    FIELD_SHORT,
    FIELD_BYTE,
    FIELD_DOUBLE,
    FIELD_FLOAT,
    FIELD_BOOLEAN,
    FIELD_DATE,
    FIELD_IP,
    FIELD_ALIAS, /* another name of `target` */
};
enum { FIELD_TYPES = FIELD_ALIAS + 1 };
const char *field_type_name(enum field_type type);

enum dynamic { DYNAMIC_INHERIT, DYNAMIC_TRUE, DYNAMIC_FALSE, DYNAMIC_STRICT };

/* Whether a keyword's column holds numbers of words (vocabulary.h) in their place. */
enum coding {
    CODING_NONE,
    CODING_PURE, /* of all words that have one */
    CODING_MIXED /* of some: most of its words are new, and are not worth a number */
};

struct field {
    char *name, *path;
    enum field_type type;
    enum dynamic dynamic;
    bool enabled, index, doc_values;
    bool nested; /* an object whose members are rows of their own */
    bool inside; /* lies below a nested one */
    bool many;   /* some document has several values: those lie in the side table */
    enum coding coding;
    bool indexed;            /* the column has an index, or is known to need none */
    int column;              /* -1: none */
    int64_t ignore_above;    /* characters, -1: no limit */
    char *format;            /* of a date, as given, or NULL: see date.h */
    char *normalizer;        /* of a keyword in small letters: its name, or NULL */
    char *target;            /* of an alias */
    char *options;           /* parameters that are only shown: JSON members, or NULL */
    struct field **children; /* sorted by name */
    size_t child_count;
};

struct mapping {
    struct field root; /* an object */
    int columns;       /* used so far */
    int fields;
    char *normalizers; /* names that the index's settings define, blanks between; or NULL */
    char *options;     /* as a field's */
    bool no_dates;     /* date_detection is off */
    bool numbers;      /* numeric_detection is on */
};

enum { MAPPING_FIELD_LIMIT = 1000, MAPPING_DEPTH_LIMIT = 20 };

struct mapping *mapping_new(void);
void mapping_free(struct mapping *m);
struct mapping *mapping_copy(const struct mapping *m);

/* The SQL expression of a field's value in a row of the documents' table, which `table` ("d.", or
 * "") stands for. */
enum { FIELD_SQL = 40 };
const char *field_sql(const struct field *f, const char *table, char to[FIELD_SQL]);

/* By the dotted path; NULL when there is none. */
struct field *mapping_find(const struct mapping *m, struct tars_str path);
/* The same for searches: an alias is the field that it names. */
const struct field *mapping_search(const struct mapping *m, struct tars_str path);
/* The nested field that the path lies in (not itself), the innermost; NULL: in none. */
const struct field *mapping_nested(const struct mapping *m, const char *path);
struct field *field_child(const struct field *parent, struct tars_str name);
/* A new child with its column, of a dynamic mapping. NULL when the limit of fields is reached. */
struct field *mapping_add(struct mapping *m, struct field *parent, struct tars_str name,
                          enum field_type type);
/* Whether it can be searched or sorted, or is nested. */
bool field_needs_column(const struct field *f);
/* Calls `each` for every field that has a column. */
void mapping_each(const struct mapping *m, void (*each)(void *user, struct field *f), void *user);

#endif
