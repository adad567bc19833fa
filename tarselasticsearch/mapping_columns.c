/* SPDX-License-Identifier: BSD-3-Clause */
#include "mapping_columns.h"

static void print_column(void *user, struct field *f)
{
    struct text *to = user;
    text_adds(to, to->at[to->len - 1] == '{' ? "" : ",");
    text_add_json(to, tars_str(f->path));
    text_addf(to, ":[%d,%d]", f->column, f->many + 2 * (int)f->coding);
}

void mapping_print_columns(const struct mapping *m, struct text *to)
{
    text_adds(to, "{");
    mapping_each(m, print_column, to);
    text_adds(to, "}");
}

static void forget_column(void *user, struct field *f)
{
    (void)user;
    f->column = -1;
}

void mapping_restore_columns(struct mapping *m, const struct json *json)
{
    /* Texts of files from before they were searched have no column. */
    mapping_each(m, forget_column, NULL);
    for (const struct json *c = json->child; c; c = c->next) {
        struct field *f = mapping_find(m, c->name);
        int64_t column = 0, marks = 0;
        if (!f || c->count != 2 || !json_as_int(c->child, &column) || !json_as_int(c->last, &marks))
            continue;
        f->column = (int)column;
        f->many = marks & 1;
        f->coding = (enum coding)(marks >> 1 & 3);
        if (m->columns <= f->column)
            m->columns = f->column + 1;
    }
}
