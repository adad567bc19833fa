/* SPDX-License-Identifier: BSD-3-Clause */
#include "mapping_print.h"

static void print_children(const struct field *f, const char *under, struct text *to);

static void print_dynamic(const struct field *f, struct text *to)
{
    static const char *const words[] = {"", "\"true\"", "\"false\"", "\"strict\""};
    if (f->dynamic != DYNAMIC_INHERIT)
        text_addf(to, "\"dynamic\":%s,", words[f->dynamic]);
}

static void print_field(const struct field *f, struct text *to)
{
    text_adds(to, "{");
    print_dynamic(f, to);
    if (f->type != FIELD_OBJECT || f->nested || !f->enabled || f->child_count == 0)
        text_addf(to, "\"type\":\"%s\",", f->nested ? "nested" : field_type_name(f->type));
    if (f->target) {
        text_adds(to, "\"path\":");
        text_add_json(to, tars_str(f->target));
        text_adds(to, ",");
    }
    if (f->normalizer) {
        text_adds(to, "\"normalizer\":");
        text_add_json(to, tars_str(f->normalizer));
        text_adds(to, ",");
    }
    if (f->options)
        text_addf(to, "%s,", f->options);
    if (!f->enabled)
        text_adds(to, "\"enabled\":false,");
    if (!f->index)
        text_adds(to, "\"index\":false,");
    if (!f->doc_values)
        text_adds(to, "\"doc_values\":false,");
    if (f->format) {
        text_adds(to, "\"format\":");
        text_add_json(to, tars_str(f->format));
        text_adds(to, ",");
    }
    if (f->type == FIELD_KEYWORD && f->ignore_above >= 0)
        text_addf(to, "\"ignore_above\":%lld,", (long long)f->ignore_above);
    print_children(f, f->type == FIELD_OBJECT ? "properties" : "fields", to);
    if (to->at[to->len - 1] == ',')
        text_cut(to, to->len - 1);
    text_adds(to, "}");
}

static void print_children(const struct field *f, const char *under, struct text *to)
{
    if (!f->child_count)
        return;
    text_addf(to, "\"%s\":{", under);
    for (size_t i = 0; i < f->child_count; i++) {
        text_add_json(to, tars_str(f->children[i]->name));
        text_adds(to, ":");
        print_field(f->children[i], to);
        if (i + 1 < f->child_count)
            text_adds(to, ",");
    }
    text_adds(to, "}");
}

void mapping_print(const struct mapping *m, struct text *to)
{
    text_adds(to, "{");
    print_dynamic(&m->root, to);
    if (m->options)
        text_addf(to, "%s,", m->options);
    print_children(&m->root, "properties", to);
    if (to->at[to->len - 1] == ',')
        text_cut(to, to->len - 1);
    text_adds(to, "}");
}
