/* SPDX-License-Identifier: BSD-3-Clause */
#include "catalog_templates.h"

#include "catalog_indices.h"
#include "catalog_state.h"

size_t catalog_template_count(const struct catalog *c)
{
    return c->templates.count;
}

const struct template *catalog_template(const struct catalog *c, size_t at)
{
    return c->templates.at[at];
}

/* What a template would make must be something that could be made. */
static bool check_template(struct catalog *c, const struct json *body, struct failure *failure)
{
    static const char *const known[] = {"index_patterns", "priority", "template",
                                        "version",        "_meta",    "composed_of"};
    struct index *index = index_new(tars_str(""));
    bool ok = true;
    for (const struct json *p = body->child; p && ok; p = p->next) {
        bool found = false;
        for (size_t i = 0; i < sizeof known / sizeof *known; i++)
            found |= tars_str_is(p->name, known[i]);
        if (!found || (tars_str_is(p->name, "composed_of") && p->count))
            ok = failure_set(failure, 400, "x_content_parse_exception",
                             "[index_template] unknown field [%" TARS_STR_FMT "]",
                             TARS_STR_ARG(p->name));
    }
    const struct json *patterns = json_get(body, "index_patterns");
    if (ok && (!patterns || (patterns->type == JSON_ARRAY && !patterns->count)))
        ok = failure_set(failure, 400, "action_request_validation_exception",
                         "Validation Failed: 1: index patterns are missing;");
    ok = ok && catalog_apply_body(c, index, json_get(body, "template"), failure) &&
         settings_check(&index->settings, failure);
    index_free(index);
    return ok;
}

bool catalog_put_template(struct catalog *c, struct db *db, struct tars_str name,
                          const struct json *body, struct failure *failure)
{
    struct text printed = {0};
    if (!check_template(c, body, failure) ||
        !templates_check_overlap(&c->templates, name, body, failure))
        return false;
    json_print(body, &printed);
    sqlite3_stmt *s = db_prepare(
        db, tars_str("INSERT OR REPLACE INTO templates(name,body) VALUES(?,?)"));
    if (s) {
        db_bind_str(s, 1, name);
        db_bind_str(s, 2, text_str(&printed));
    }
    bool ok = db_run(s) && templates_add(&c->templates, name, text_str(&printed));
    text_free(&printed);
    return ok ||
           failure_set(failure, 500, "engine_exception", "saving the template: %s", db_problem(db));
}

bool catalog_delete_template(struct catalog *c, struct db *db, struct tars_str name)
{
    size_t at;
    if (!templates_find(&c->templates, name, &at))
        return false;
    sqlite3_stmt *s = db_prepare(db, tars_str("DELETE FROM templates WHERE name=?"));
    if (s)
        db_bind_str(s, 1, name);
    bool ok = db_run(s);
    templates_remove(&c->templates, at);
    return ok;
}
