/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a call hands on: Front's handler calls Back while it handles a call; Back keeps what comes
 * with each call.
 */
#include <tars/tars.h>

#include <check.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "AdminF.h"
#include "Config.h"
#include "base/xmalloc.h"
#include "testkit.h"

enum { SEEN_MAX = 1000, BIT_DYED = 0x04, BIT_TRACE = 0x100 };

/* A call as Back saw it. */
struct seen {
    char app[64], dyed[64], trace[128], cookie[64], other[64], set_key[64];
    int32_t message_type;
};

struct scene {
    struct tars_server *front, *back, *framework;
    const char *folder;
    uint16_t front_port, admin_port;
    struct tars_proxy *to_back, *to_framework; /* Front's */
    struct tars_client *caller;
    struct tars_proxy *to_front, *admin;
    pthread_mutex_t lock;
    struct seen seen[SEEN_MAX];
    size_t count;
};

static void keep(char *to, size_t size, struct tars_str from)
{
    snprintf(to, size, "%" TARS_STR_FMT, TARS_STR_ARG(from));
}

#define KEEP(to_, from_) keep(to_, sizeof(to_), from_)

/* ---- Back ------------------------------------------------------------------------------------ */

static int32_t back_list(struct tars_call *call, struct tars_str app, struct tars_str server,
                         struct tars_str_list *names)
{
    struct scene *scene = tars_call_self(call);

    (void)server;
    pthread_mutex_lock(&scene->lock);
    struct seen *seen = &scene->seen[scene->count++ % SEEN_MAX];
    KEEP(seen->app, app);
    KEEP(seen->dyed, tars_call_status(call, "STATUS_DYED_KEY"));
    KEEP(seen->trace, tars_call_status(call, "STATUS_TRACE_KEY"));
    KEEP(seen->cookie, tars_call_status(call, "session"));
    KEEP(seen->other, tars_call_status(call, "status_other"));
    KEEP(seen->set_key, tars_call_status(call, "STATUS_GRID_KEY"));
    seen->message_type = tars_call_message_type(call);
    pthread_mutex_unlock(&scene->lock);
    names->at = tars_call_alloc(call, sizeof(*names->at));
    names->at[0] = tars_str("a.conf");
    names->len = 1;
    return 0;
}

static const struct tarsf_config back = {.list_config = back_list};

/* ---- Front ----------------------------------------------------------------------------------- */

static void on_second(void *user, const struct tars_result *result,
                      const struct tars_str_list *names)
{
    tarsf_config_list_config_reply(user, result->error, names);
}

/* On the loop's thread no handler runs: the parent has to be said. */
static void on_first(void *user, const struct tars_result *result,
                     const struct tars_str_list *names)
{
    struct tars_later *later = user;
    struct tars_call *call = tars_later_call(later);
    struct scene *scene = tars_call_self(call);
    struct tars_call_options options = {.parent = call};

    (void)result;
    (void)names;
    tarsf_config_list_config_async_with(scene->to_back, &options, tars_str("second"), tars_str(""),
                                        on_second, later);
}

static int32_t front_list(struct tars_call *call, struct tars_str app, struct tars_str server,
                          struct tars_str_list *names)
{
    struct scene *scene = tars_call_self(call);
    struct tars_later *later = tarsf_config_list_config_later(call);

    (void)names;
    tarsf_config_list_config_async(
        tars_str_is(app, "framework") ? scene->to_framework : scene->to_back, app, server,
        tars_str_is(app, "twice") ? on_first : on_second, later);
    return 0;
}

/* A blocking call, as a handler should not make one. */
static int32_t front_load(struct tars_call *call, struct tars_str app, struct tars_str server,
                          struct tars_str file, struct tars_str *config)
{
    struct scene *scene = tars_call_self(call);
    struct tars_str_list names;

    (void)file;
    (void)config;
    return tarsf_config_list_config(scene->to_back, app, server, &names, tars_call_arena(call))
        .error;
}

static const struct tarsf_config front = {.list_config = front_list, .load_config = front_load};

/* ---- the scene ------------------------------------------------------------------------------- */

static struct tars_server *server(struct scene *s, const char *app, const char *name, uint16_t port,
                                  uint16_t admin, const struct tarsf_config *handlers)
{
    struct tars_error error;
    const char *text = tk_text("<tars>\n<application>\n<server>\napp=%s\nserver=%s\nworkers=2\n"
                               "logpath=%s\ndatapath=%s\nbasepath=%s\n"
                               "local=tcp -h 127.0.0.1 -p %d -t 10000\n"
                               "<adapter>\nservant=%s.%s.ConfigObj\n"
                               "endpoint=tcp -h 127.0.0.1 -p %d -t 60000\n</adapter>\n"
                               "</server>\n</application>\n</tars>\n",
                               app, name, s->folder, s->folder, s->folder, admin, app, name, port);
    struct tars_conf *conf = tars_conf_parse(tars_str(text), &error);

    ck_assert_msg(conf != NULL, "%s", error.text);
    struct tars_server *made = tars_server_new_conf(conf);
    tars_conf_free(conf);
    tarsf_config_serve(made, "ConfigObj", handlers, s);
    return made;
}

static void start(struct scene *s)
{
    uint16_t back_port = tk_free_port(), back_admin = tk_free_port();
    uint16_t framework_port = tk_free_port(), framework_admin = tk_free_port();
    struct tars_error error;

    *s = (struct scene){
        .folder = tk_dir(), .front_port = tk_free_port(), .admin_port = tk_free_port()};
    pthread_mutex_init(&s->lock, NULL);
    s->back = server(s, "Demo", "Back", back_port, back_admin, &back);
    s->framework = server(s, "tars", "framework", framework_port, framework_admin, &back);
    s->front = server(s, "Demo", "Front", s->front_port, s->admin_port, &front);
    s->to_back = tars_proxy_get(tars_server_client(s->front),
                                tk_text("Demo.Back.ConfigObj@tcp -h 127.0.0.1 -p %d", back_port));
    s->to_framework = tars_proxy_get(
        tars_server_client(s->front),
        tk_text("tars.framework.ConfigObj@tcp -h 127.0.0.1 -p %d", framework_port));
    ck_assert_msg(tars_server_start(s->framework, &error), "%s", error.text);
    ck_assert_msg(tars_server_start(s->back, &error), "%s", error.text);
    ck_assert_msg(tars_server_start(s->front, &error), "%s", error.text);
    s->caller = tars_client_new(NULL);
    s->to_front = tars_proxy_get(
        s->caller, tk_text("Demo.Front.ConfigObj@tcp -h 127.0.0.1 -p %d", s->front_port));
    s->admin = tars_proxy_get(s->caller, tk_text("AdminObj@tcp -h 127.0.0.1 -p %d", s->admin_port));
}

static void stop(struct scene *s)
{
    tars_client_free(s->caller);
    tars_server_free(s->front);
    tars_server_free(s->back);
    tars_server_free(s->framework);
    pthread_mutex_destroy(&s->lock);
}

static void call(struct scene *s, const char *app, int32_t message_type,
                 struct tars_str_pair *pairs, size_t count)
{
    struct tars_str_map status = {count, pairs};
    struct tars_call_options options = {.message_type = message_type, .status = &status};
    struct tars_arena *arena = tars_arena_new(0);
    struct tars_str_list names;
    struct tars_result result = tarsf_config_list_config_with(s->to_front, &options, tars_str(app),
                                                              tars_str(""), &names, arena);

    ck_assert_msg(result.error == 0, "%s", result.message);
    tars_arena_free(arena);
}

static struct tars_str_pair pair(const char *key, const char *value)
{
    return (struct tars_str_pair){tars_str(key), tars_str(value)};
}

/* Front's trace log, to be freed; after its stop. */
static char *trace_log(const struct scene *s)
{
    const char *const argv[] = {
        "/bin/sh", "-c", tk_text("cat %s/Demo/Front/Demo.Front__t_trace__2*.log", s->folder), NULL};
    char *text;

    ck_assert_int_eq(tk_run(argv, NULL, 5000, &text), 0);
    return text;
}

/* What a line's base64 field holds, to be freed. */
static char *parameters(const char *line)
{
    size_t bars = 0;
    uint32_t bits = 0;
    int have = 0;
    struct tars_writer w;

    while (bars < 10)
        bars += *line++ == '|';
    tars_writer_init(&w);
    for (; *line != '|' && *line != '='; line++) {
        static const char digits[] =
            "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        const char *digit = strchr(digits, *line);
        ck_assert_ptr_nonnull(digit);
        bits = bits << 6 | (uint32_t)(digit - digits);
        have += 6;
        if (have >= 8) {
            char c = (char)(bits >> (have -= 8));
            tars_writer_append(&w, &c, 1);
        }
    }
    tars_writer_append(&w, "", 1);
    return (char *)w.at;
}

/* The beginning of the line that holds `part`. */
static const char *line_with(const char *text, const char *part)
{
    const char *at = strstr(text, part);

    ck_assert_msg(at != NULL, "%s is missing in\n%s", part, text);
    while (at > text && at[-1] != '\n')
        at--;
    return at;
}

static void ck_parameters(const char *text, const char *part, const char *json)
{
    char *is = parameters(line_with(text, part));

    ck_assert_str_eq(is, json);
    free(is);
}

/* ---- tests ----------------------------------------------------------------------------------- */

START_TEST(dyeing_key_and_cookies_go_with_the_calls_of_a_handler)
{
    static struct scene s;
    struct tars_str_pair pairs[] = {pair("STATUS_DYED_KEY", "10001"), pair("session", "s-7"),
                                    pair("status_other", "stays"), pair("STATUS_GRID_KEY", "1")};

    start(&s);
    call(&s, "plain", 0, NULL, 0);
    ck_assert_int_eq(s.seen[0].message_type, 0);
    ck_assert_str_eq(s.seen[0].dyed, "");
    ck_assert_str_eq(s.seen[0].cookie, "");
    call(&s, "dyed", BIT_DYED, pairs, 4);
    ck_assert_int_eq(s.seen[1].message_type, BIT_DYED);
    ck_assert_str_eq(s.seen[1].dyed, "10001");
    ck_assert_str_eq(s.seen[1].cookie, "s-7");
    ck_assert_str_eq(s.seen[1].other, ""); /* begins with STATUS_: no cookie */
    ck_assert_str_eq(s.seen[1].set_key, "");
    call(&s, "plain again", 0, NULL, 0); /* nothing stays with the thread */
    ck_assert_int_eq(s.seen[2].message_type, 0);
    ck_assert_str_eq(s.seen[2].cookie, "");
    stop(&s);
}
END_TEST

START_TEST(a_call_that_an_administrator_dyed_dyes_the_calls_it_makes)
{
    static struct scene s;
    struct tars_str_pair key = pair("STATUS_GRID_KEY", "20002");
    struct tars_arena *arena = tars_arena_new(0);
    struct tars_str said;

    start(&s);
    ck_assert_int_eq(
        tarsf_admin_f_notify(
            s.admin, tars_str("tars.setdyeing 20002 Demo.Front.ConfigObj ListConfig"), &said, arena)
            .error,
        0);
    call(&s, "chosen", 0, &key, 1);
    ck_assert_int_eq(s.seen[0].message_type, BIT_DYED);
    ck_assert_str_eq(s.seen[0].dyed, "20002");
    tars_arena_free(arena);
    stop(&s);
}
END_TEST

START_TEST(calls_to_the_framework_carry_nothing_on)
{
    static struct scene s;
    struct tars_str_pair pairs[] = {pair("STATUS_DYED_KEY", "10001"), pair("session", "s-7"),
                                    pair("STATUS_TRACE_KEY", "f-abc|p1")};

    start(&s);
    call(&s, "framework", BIT_DYED | BIT_TRACE, pairs, 3);
    ck_assert_str_eq(s.seen[0].app, "framework");
    ck_assert_int_eq(s.seen[0].message_type, 0);
    ck_assert_str_eq(s.seen[0].dyed, "");
    ck_assert_str_eq(s.seen[0].cookie, "");
    ck_assert_str_eq(s.seen[0].trace, "");
    stop(&s);
}
END_TEST

START_TEST(a_trace_goes_on_with_a_new_span_and_leaves_both_ends_in_the_log)
{
    static struct scene s;
    struct tars_str_pair key = pair("STATUS_TRACE_KEY", "f.1-abc|p1");

    start(&s);
    call(&s, "once", BIT_TRACE, &key, 1);
    call(&s, "twice", BIT_TRACE, &key, 1);
    stop(&s);
    ck_assert_uint_eq(s.count, 3);
    for (size_t i = 0; i < 3; i++) {
        const char *trace = s.seen[i].trace;
        ck_assert_int_eq(s.seen[i].message_type, BIT_TRACE);
        ck_assert_msg(strncmp(trace, "f.1-abc|", 8) == 0, "%s", trace);
        ck_assert_uint_eq(strlen(trace), 8 + 16); /* two parts */
        ck_assert_ptr_null(strchr(trace + 8, '|'));
        for (size_t k = 0; k < i; k++)
            ck_assert_str_ne(trace, s.seen[k].trace);
    }
    ck_assert_str_eq(s.seen[2].app, "second"); /* made in a callback, with its parent named */

    char *text = trace_log(&s);
    ck_parameters(text,
                  tk_text("|%s|p1|cs|Demo.Front|Demo.Back.ConfigObj|ListConfig|", s.seen[0].trace),
                  "{\"app\":\"once\",\"server\":\"\"}");
    ck_parameters(text,
                  tk_text("|%s|p1|cr|Demo.Front|Demo.Back.ConfigObj|ListConfig|", s.seen[0].trace),
                  "{\"tars_ret\":0,\"vf\":[\"a.conf\"]}");
    (void)line_with(text, tk_text("|%s|p1|cs|", s.seen[2].trace));
    (void)line_with(text, tk_text("|%s|p1|cr|", s.seen[2].trace));
    ck_parameters(text, "|f.1-abc|p1|*|sr||Demo.Front|ListConfig|",
                  "{\"app\":\"once\",\"server\":\"\"}");
    free(text);
}
END_TEST

START_TEST(parameters_are_logged_where_the_trace_wants_them_and_while_they_are_short)
{
    static struct scene s;
    struct tars_str_pair key = pair("STATUS_TRACE_KEY", "1-only-cs|p1");
    char *large = xcalloc(1, 3001);

    memset(large, 'x', 3000);
    start(&s);
    call(&s, "short", BIT_TRACE, &key, 1);
    call(&s, large, BIT_TRACE, &key, 1);
    key = pair("STATUS_TRACE_KEY", "1.4-more|p1"); /* up to 4 KiB */
    call(&s, large, BIT_TRACE, &key, 1);
    stop(&s);
    char *text = trace_log(&s);
    ck_parameters(text, tk_text("|%s|p1|cs|", s.seen[0].trace),
                  "{\"app\":\"short\",\"server\":\"\"}");
    ck_parameters(text, tk_text("|%s|p1|cr|", s.seen[0].trace), "");
    ck_parameters(text, tk_text("|%s|p1|cs|", s.seen[1].trace),
                  "{\"trace_param_over_max_len\":true}");
    ck_parameters(text, tk_text("|%s|p1|cs|", s.seen[2].trace),
                  tk_text("{\"app\":\"%s\",\"server\":\"\"}", large));
    free(text);
    free(large);
}
END_TEST

START_TEST(a_traced_call_that_fails_ends_with_its_code)
{
    static struct scene s;
    struct tars_str_pair key = pair("STATUS_TRACE_KEY", "f-fail|p1");
    struct tars_str_map status = {1, &key};
    struct tars_arena *arena = tars_arena_new(0);
    struct tars_str config;

    start(&s);
    tars_server_stop(s.back, 0); /* nobody listens any more */
    struct tars_result result = tarsf_config_load_config_with(
        s.to_front, &(struct tars_call_options){.message_type = BIT_TRACE, .status = &status},
        tars_str("x"), tars_str(""), tars_str(""), &config, arena);
    ck_assert_int_eq(result.error, 0);
    ck_assert_int_lt(result.ret, 0);
    stop(&s);
    char *text = trace_log(&s);
    const char *line = strstr(text, "|p1|cr|Demo.Front|Demo.Back.ConfigObj|ListConfig|");
    ck_assert_ptr_nonnull(line);
    ck_assert_ptr_nonnull(strstr(line, tk_text("|%d||\n", (int)result.ret)));
    free(text);
    tars_arena_free(arena);
}
END_TEST

START_TEST(keys_that_are_none_and_keys_of_enormous_length_end_here)
{
    static struct scene s;
    char *large = xcalloc(1, 100001);

    memset(large, 'x', 100000);
    start(&s);
    struct tars_str_pair pairs[] = {pair("STATUS_TRACE_KEY", "nobar"),
                                    pair("STATUS_DYED_KEY", large), pair("session", large)};
    call(&s, "hostile", BIT_TRACE | BIT_DYED, pairs, 3);
    ck_assert_str_eq(s.seen[0].trace, "");
    ck_assert_str_eq(s.seen[0].dyed, "");
    ck_assert_str_eq(s.seen[0].cookie, "");
    pairs[0].value = tars_str("|");
    call(&s, "empty", BIT_TRACE, pairs, 1);
    pairs[0].value = tars_str("f|a|b|c");
    call(&s, "long", BIT_TRACE, pairs, 1);
    ck_assert_int_eq(strncmp(s.seen[2].trace, "f|", 2), 0);
    ck_assert_uint_eq(strlen(s.seen[2].trace), 2 + 16);
    stop(&s);
    free(large);
}
END_TEST

struct storm {
    struct scene *scene;
    int first;
};

static void *run_storm(void *arg)
{
    const struct storm *storm = arg;

    for (int i = 0; i < 100; i++) {
        char key[32];
        snprintf(key, sizeof(key), "%d", storm->first + i);
        struct tars_str_pair pairs[] = {pair("STATUS_DYED_KEY", key), pair("session", key)};
        call(storm->scene, key, BIT_DYED, pairs, 2);
    }
    return NULL;
}

START_TEST(calls_side_by_side_hand_on_their_own_keys)
{
    static struct scene s;
    pthread_t threads[4];
    struct storm storms[4];

    start(&s);
    for (int i = 0; i < 4; i++) {
        storms[i] = (struct storm){&s, i * 1000};
        ck_assert_int_eq(pthread_create(&threads[i], NULL, run_storm, &storms[i]), 0);
    }
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    stop(&s);
    ck_assert_uint_eq(s.count, 400);
    for (size_t i = 0; i < s.count; i++) {
        ck_assert_str_eq(s.seen[i].dyed, s.seen[i].app);
        ck_assert_str_eq(s.seen[i].cookie, s.seen[i].app);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("handed_on");
    TCase *tc = tcase_create("handed_on");

    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, dyeing_key_and_cookies_go_with_the_calls_of_a_handler);
    tcase_add_test(tc, a_call_that_an_administrator_dyed_dyes_the_calls_it_makes);
    tcase_add_test(tc, calls_to_the_framework_carry_nothing_on);
    tcase_add_test(tc, a_trace_goes_on_with_a_new_span_and_leaves_both_ends_in_the_log);
    tcase_add_test(tc, parameters_are_logged_where_the_trace_wants_them_and_while_they_are_short);
    tcase_add_test(tc, a_traced_call_that_fails_ends_with_its_code);
    tcase_add_test(tc, keys_that_are_none_and_keys_of_enormous_length_end_here);
    tcase_add_test(tc, calls_side_by_side_hand_on_their_own_keys);
    suite_add_tcase(suite, tc);
    return tk_main(suite);
}
