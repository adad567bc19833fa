/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The C client for AllTypes.tars: client OBJECT [LOCATOR]. Reads "FUNCTION {arguments as JSON}"
 * from standard input, one call a line, and prints one line {"ret":…,"out":{…}} or
 * {"error":CODE,"message":"…"} for each. Lines that begin with a colon change what follows:
 * ":version 3", ":timeout 500", ":object NAME", ":oneway 1". It calls through the interface's
 * tables, as the generated stubs do.
 */
#include <stdio.h>
#include <stdlib.h>

#include <tars/client.h>

#include "AllTypes.h"

struct caller {
    struct tars_client *client;
    struct tars_proxy *proxy;
    struct tars_call_options options;
    struct tars_arena *arena;
};

static void print_line(struct tars_json_writer *w)
{
    struct tars_str text = tars_json_text(w);

    fwrite(text.at, 1, text.len, stdout);
    putchar('\n');
    fflush(stdout);
    tars_json_writer_free(w);
}

static void print_error(int64_t code, const char *message)
{
    struct tars_json_writer w;

    tars_json_writer_init(&w);
    tars_json_object_begin(&w);
    tars_json_name(&w, tars_str("error"));
    tars_json_int64(&w, code);
    tars_json_name(&w, tars_str("message"));
    tars_json_str(&w, tars_str(message));
    tars_json_object_end(&w);
    print_line(&w);
}

/* The return value has no name and comes first, the out parameters behind it. */
static void print_answer(const struct tars_function *f, const char *args)
{
    struct tars_json_writer w;
    size_t i = 0;

    tars_json_writer_init(&w);
    tars_json_object_begin(&w);
    if (f->param_count > 0 && f->params[0].tag == 0) {
        tars_json_name(&w, tars_str("ret"));
        f->params[0].type->to_json(&w, args + f->params[0].offset);
        i = 1;
    }
    tars_json_name(&w, tars_str("out"));
    tars_json_object_begin(&w);
    for (; i < f->param_count; i++) {
        if (!f->params[i].out)
            continue;
        tars_json_name(&w, tars_str(f->params[i].name));
        f->params[i].type->to_json(&w, args + f->params[i].offset);
    }
    tars_json_object_end(&w);
    tars_json_object_end(&w);
    print_line(&w);
}

static void print_raw(const struct tars_result *result)
{
    if (result->error != 0)
        print_error(result->error, result->message);
    else
        puts("{\"out\":{}}");
    fflush(stdout);
}

/* A name that the interface lacks is called all the same: the server has to refuse it. */
static void call_unknown(struct caller *c, const char *name)
{
    struct tars_str answer;
    struct tars_result result = tars_proxy_call_raw_blocking(c->proxy, name, tars_str(""), c->arena,
                                                             &answer, &c->options);

    print_raw(&result);
}

static void call(struct caller *c, char *line)
{
    char *json = strchr(line, ' ');
    const struct tars_function *f;
    struct tars_result result;
    struct tars_error error;
    void *args;

    if (json)
        *json++ = '\0';
    if (strcmp(line, "ping") == 0) {
        result = tars_proxy_ping(c->proxy, c->options.timeout_ms);
        print_raw(&result);
        return;
    }
    f = tars_interface_find(&interop_types_interface, tars_str(line));
    if (!f) {
        call_unknown(c, line);
        return;
    }
    args = tars_arena_alloc(c->arena, f->args_size);
    if (!tars_args_read_request(f, 5, tars_str(json ? json : "{}"), c->arena, args, &error)) {
        print_error(-1, error.text);
        return;
    }
    result = tars_proxy_call(c->proxy, f, args, c->arena, &c->options);
    if (result.error != 0)
        print_error(result.error, result.message);
    else if (c->options.one_way)
        print_raw(&result);
    else
        print_answer(f, args);
}

static void set(struct caller *c, const char *setting)
{
    const char *value = strchr(setting, ' ');

    if (!value)
        return;
    value++;
    if (strncmp(setting, "object ", 7) == 0)
        c->proxy = tars_proxy_get(c->client, value);
    else if (strncmp(setting, "version ", 8) == 0)
        c->options.version = atoi(value);
    else if (strncmp(setting, "timeout ", 8) == 0)
        c->options.timeout_ms = atoi(value);
    else if (strncmp(setting, "oneway ", 7) == 0)
        c->options.one_way = atoi(value) != 0;
}

/* REFRESH in the environment is how often it asks the registry, ms. */
static struct tars_client *client_new(const char *locator)
{
    const char *refresh = getenv("REFRESH");
    struct tars_conf *conf = tars_conf_new();
    struct tars_client *client;

    if (*locator)
        tars_conf_set(conf, "/tars/application/client<locator>", locator);
    if (refresh)
        tars_conf_set(conf, "/tars/application/client<refresh-endpoint-interval>", refresh);
    client = tars_client_new_conf(conf);
    tars_conf_free(conf);
    return client;
}

int main(int argc, char **argv)
{
    struct caller c = {.options = {.timeout_ms = 3000}};
    char *line = NULL;
    size_t size = 0;
    ssize_t len;

    if (argc < 2) {
        fprintf(stderr, "usage: client OBJECT [LOCATOR]\n");
        return 2;
    }
    c.client = client_new(argc > 2 ? argv[2] : "");
    c.proxy = tars_proxy_get(c.client, argv[1]);
    c.arena = tars_arena_new(0);
    while ((len = getline(&line, &size, stdin)) > 0) {
        if (line[len - 1] == '\n')
            line[len - 1] = '\0';
        if (line[0] == ':')
            set(&c, line + 1);
        else
            call(&c, line);
        tars_arena_reset(c.arena);
    }
    free(line);
    tars_arena_free(c.arena);
    tars_client_free(c.client);
    return 0;
}
