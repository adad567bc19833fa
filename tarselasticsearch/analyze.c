/* SPDX-License-Identifier: BSD-3-Clause */
/* The route that shows which words a text has. */
#include "request.h"
#include "words.h"

static void print_words(struct tars_str value, size_t *position, size_t *offset, struct text *to)
{
    struct words words = {.text = value, .offset = *offset};
    struct word word;
    while (words_next(&words, &word)) {
        struct text small = {0};
        word_add_lower(&word, &small);
        text_adds(to, to->at[to->len - 1] == '[' ? "{\"token\":" : ",{\"token\":");
        text_add_json(to, text_str(&small));
        text_addf(to, ",\"start_offset\":%zu,\"end_offset\":%zu,\"type\":\"%s\",\"position\":%zu}",
                  word.start, word.end, word.type, (*position)++);
        text_free(&small);
    }
    *offset = words.offset + 1;
}

void rest_analyze(struct store_context *c, struct request *r)
{
    struct failure f = {0};
    bool failed;
    const struct json *body = request_json(r, c->arena, true, &failed, &f), *text = NULL;
    for (const struct json *p = body ? body->child : NULL; p && !failed; p = p->next) {
        if (tars_str_is(p->name, "text") && (p->type == JSON_STRING || p->type == JSON_ARRAY))
            text = p;
        else if (!tars_str_is(p->name, "analyzer"))
            failed = !failure_set(&f, 400, "x_content_parse_exception",
                                  "[analyze_request] unknown field [%" TARS_STR_FMT "]",
                                  TARS_STR_ARG(p->name));
        else if (!json_is_str(p, "standard"))
            failed = !failure_set(&f, 400, "illegal_argument_exception",
                                  "failed to find global analyzer [%" TARS_STR_FMT "]",
                                  TARS_STR_ARG(p->text));
    }
    if (!failed && !text)
        failed = !failure_set(&f, 400, "action_request_validation_exception",
                              "Validation Failed: 1: text is missing;");
    if (failed) {
        request_fail(r, &f);
        return;
    }
    size_t position = 0, offset = 0;
    text_adds(&r->answer, "{\"tokens\":[");
    if (text->type == JSON_STRING)
        print_words(text->text, &position, &offset, &r->answer);
    for (const struct json *v = text->type == JSON_ARRAY ? text->child : NULL; v; v = v->next)
        print_words(v->text, &position, &offset, &r->answer);
    text_adds(&r->answer, "]}");
    r->status = 200;
}
