/* SPDX-License-Identifier: BSD-3-Clause */
/* Metadata, generated files, ports, copies of volumes, processors. */
#include <check.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <tars/conf.h>
#include <utime.h>

#include "tarscli/command.h"
#include "tarscli/cpus.h"
#include "tarscli/logfile.h"
#include "k8stars/checks.h"
#include "k8stars/file.h"
#include "k8stars/generate.h"
#include "k8stars/lookup.h"
#include "k8stars/status.h"
#include "loop/loop.h"
#include "testkit.h"

static const char *home;
static struct environment env;
static struct meta meta;
static struct ports *ports;
static uint16_t first_port;

static void open_home(void)
{
    home = tk_dir();
    mkdir(tk_text("%s/bin", home), 0755);
    mkdir(tk_text("%s/conf", home), 0755);
    mkdir(tk_text("%s/data", home), 0755);
    first_port = tk_free_port();
    setenv("TARS_PATH", home, 1);
    setenv("TARS_HEARTBEAT", "off", 1); /* tests of it say otherwise */
    setenv("POD_IP", "127.0.0.1", 1);
    setenv("TARS_RAND_PORT_MIN", tk_text("%u", first_port), 1);
    setenv("TARS_RAND_PORT_MAX", tk_text("%u", first_port + 200), 1);
}

static void close_home(void)
{
    meta_free(&meta);
    ports_free(ports);
}

static void write_meta(const char *yaml)
{
    tk_write_file(tk_text("%s/bin/_server_meta.yaml", home), yaml);
}

/* generate, after the environment has been read anew. */
static bool run(struct tars_error *error)
{
    memset(error, 0, sizeof *error);
    meta_free(&meta);
    ports_free(ports);
    ports = NULL;
    if (!environment_read(&env, USED_BY_GENCONF | USED_BY_SUPERVISOR, error))
        return false;
    ports = ports_new(env.port_min, env.port_max, env.held_ports);
    return generate(&env, ports, &meta, error);
}

static void works(void)
{
    struct tars_error error;
    ck_assert_msg(run(&error), "%s", error.text);
}

static void fails(const char *reason)
{
    struct tars_error error;
    ck_assert(!run(&error));
    ck_assert_msg(strstr(error.text, reason), "'%s' does not say '%s'", error.text, reason);
}

static uint16_t port_of(const char *endpoint)
{
    struct tars_endpoint e;
    struct tars_error error = {0};
    ck_assert_msg(tars_endpoint_parse(tars_str(endpoint), &e, &error), "%s", error.text);
    return e.port;
}

/* ---- the generated configuration
 * ------------------------------------------------------------------- */

/* Every key of the file under a domain, "key=value" joined by ';', then its sub-domains. */
static void collect(const struct tars_conf *conf, const char *domain, FILE *out)
{
    const char *name;
    for (size_t i = 0; (name = tars_conf_key(conf, domain, i)); i++)
        fprintf(out, "%s/%s=%s\n", domain, name,
                tars_conf_get(conf, tk_text("%s<%s>", domain, name), "?"));
    for (size_t i = 0; (name = tars_conf_domain(conf, domain, i)); i++)
        collect(conf, tk_text("%s/%s", domain, name), out);
}

static const char *all_keys(const char *file)
{
    struct tars_error error = {0};
    struct tars_conf *conf = tars_conf_load(tk_text("%s/conf/%s", home, file), &error);
    char *text = NULL;
    size_t len;
    FILE *out = open_memstream(&text, &len);
    ck_assert_msg(conf != NULL, "%s", error.text);
    collect(conf, "/tars", out);
    fclose(out);
    const char *copy = tk_text("%s", text);
    free(text);
    tars_conf_free(conf);
    return copy;
}

static const char hello_yaml[] = "version: v1\n"
                                 "application: Demo\n"
                                 "server: Hello\n"
                                 "unknown: {a: [b]}\n"
                                 "adapters:\n"
                                 "  - object: MainObj\n"
                                 "  - object: HttpObj\n"
                                 "    endpoint: tcp -h ${local_ip} -p 80 -t 20000\n"
                                 "    protocol: not_tars\n"
                                 "    threads: 9\n";

static const char *expected(const char *set, uint16_t main_port, uint16_t local_port,
                            const char *sample_rate)
{
    return tk_text(
        "/tars/application/enableset=%s\n"
        "/tars/application/setdivision=%s\n"
        "/tars/application/client/locator=tars.tarsregistry.QueryObj@tcp -h "
        "tars-registry.my-space.svc.cluster.local -p 17890\n"
        "/tars/application/client/sync-invoke-timeout=3000\n"
        "/tars/application/client/async-invoke-timeout=5000\n"
        "/tars/application/client/refresh-endpoint-interval=60000\n"
        "/tars/application/client/stat=tars.tarsstat.StatObj\n"
        "/tars/application/client/property=tars.tarsproperty.PropertyObj\n"
        "/tars/application/client/report-interval=6000\n"
        "/tars/application/client/sample-rate=%s\n"
        "/tars/application/client/max-sample-count=50\n"
        "/tars/application/client/asyncthread=3\n"
        "/tars/application/client/modulename=Demo.Hello\n"
        "/tars/application/server/app=Demo\n"
        "/tars/application/server/server=Hello\n"
        "/tars/application/server/localip=127.0.0.1\n"
        "/tars/application/server/local=tcp -h 127.0.0.1 -p %u -t 5000\n"
        "/tars/application/server/basepath=%s/bin/\n"
        "/tars/application/server/datapath=%s/data/\n"
        "/tars/application/server/logpath=%s/log/\n"
        "/tars/application/server/logLevel=DEBUG\n"
        "/tars/application/server/loglevel=DEBUG\n"
        "/tars/application/server/logsize=100M\n"
        "/tars/application/server/lognum=5\n"
        "/tars/application/server/config=tars.tarsconfig.ConfigObj\n"
        "/tars/application/server/notify=tars.tarsnotify.NotifyObj\n"
        "/tars/application/server/log=tars.tarslog.LogObj\n"
        "/tars/application/server/deactivating-timeout=3000\n"
        "/tars/application/server/Demo.Hello.MainObjAdapter/allow=\n"
        "/tars/application/server/Demo.Hello.MainObjAdapter/handlegroup=Demo.Hello.MainObjAdapter\n"
        "/tars/application/server/Demo.Hello.MainObjAdapter/servant=Demo.Hello.MainObj\n"
        "/tars/application/server/Demo.Hello.MainObjAdapter/endpoint=tcp -h 127.0.0.1 -p %u -t "
        "30000\n"
        "/tars/application/server/Demo.Hello.MainObjAdapter/maxconns=200000\n"
        "/tars/application/server/Demo.Hello.MainObjAdapter/protocol=tars\n"
        "/tars/application/server/Demo.Hello.MainObjAdapter/queuecap=10000\n"
        "/tars/application/server/Demo.Hello.MainObjAdapter/queuetimeout=60000\n"
        "/tars/application/server/Demo.Hello.MainObjAdapter/threads=5\n"
        "/tars/application/server/Demo.Hello.HttpObjAdapter/allow=\n"
        "/tars/application/server/Demo.Hello.HttpObjAdapter/handlegroup=Demo.Hello.HttpObjAdapter\n"
        "/tars/application/server/Demo.Hello.HttpObjAdapter/servant=Demo.Hello.HttpObj\n"
        "/tars/application/server/Demo.Hello.HttpObjAdapter/endpoint=tcp -h 127.0.0.1 -p 80 -t "
        "20000\n"
        "/tars/application/server/Demo.Hello.HttpObjAdapter/maxconns=200000\n"
        "/tars/application/server/Demo.Hello.HttpObjAdapter/protocol=not_tars\n"
        "/tars/application/server/Demo.Hello.HttpObjAdapter/queuecap=10000\n"
        "/tars/application/server/Demo.Hello.HttpObjAdapter/queuetimeout=60000\n"
        "/tars/application/server/Demo.Hello.HttpObjAdapter/threads=9\n",
        *set ? "y" : "n", set, sample_rate, local_port, home, home, home, main_port);
}

START_TEST(generated_configuration_has_every_key)
{
    write_meta(hello_yaml);
    setenv("TARS_NAMESPACE", "my-space", 1);
    works();
    uint16_t main_port = port_of(meta.adapters[0].endpoint), local = port_of(meta.local);
    ck_assert_int_ge(main_port, first_port);
    ck_assert_int_gt(local, main_port);
    ck_assert_str_eq(all_keys("Hello.conf"), expected("", main_port, local, "100000"));
}
END_TEST

START_TEST(set_build_name_and_merge_file_are_in_it)
{
    write_meta(hello_yaml);
    setenv("TARS_NAMESPACE", "my-space", 1);
    setenv("TARS_SET_ID", "a.b.c", 1);
    setenv("TARS_BUILD_SERVER", "Built", 1);
    setenv("TARS_MERGE_CONF", tk_text("%s/bin/merge", home), 1);
    tk_write_file(tk_text("%s/bin/merge", home),
                  "<tars><application><client>\nsample-rate=7\n</client></application></tars>");
    works();
    ck_assert_str_eq(all_keys("Built.conf"), expected("a.b.c", port_of(meta.adapters[0].endpoint),
                                                      port_of(meta.local), "7"));
    setenv("TARS_MERGE_CONF", "/nowhere/merge", 1);
    fails("TARS_MERGE_CONF: cannot open /nowhere/merge");
}
END_TEST

START_TEST(environment_goes_before_metadata)
{
    write_meta(hello_yaml);
    setenv("TARS_APPLICATION", "App", 1);
    setenv("TARS_SERVER", "Other", 1);
    setenv("TARS_LOCATOR", "my.Obj@tcp -h 1.2.3.4 -p 5", 1);
    setenv("TARS_EP_UPTIME", "1234", 1);
    works();
    const char *keys = all_keys("Other.conf");
    ck_assert_ptr_nonnull(
        strstr(keys, "/server/App.Other.MainObjAdapter/servant=App.Other.MainObj"));
    ck_assert_ptr_nonnull(strstr(keys, "locator=my.Obj@tcp -h 1.2.3.4 -p 5\n"));
    ck_assert_ptr_nonnull(strstr(keys, "refresh-endpoint-interval=1234\n"));
}
END_TEST

START_TEST(info_file_reads_back_as_it_was)
{
    struct meta loaded;
    struct tars_error error = {0};
    write_meta("application: Demo\nserver: Hello\nset_id: '007'\nlogLevel: 'true'\n"
               "adapters:\n- object: O\n  protocol: 'a: b # c'\n");
    works();
    ck_assert_msg(generate_load(&env, &loaded, &error), "%s", error.text);
    ck_assert_str_eq(loaded.application, "Demo");
    ck_assert_str_eq(loaded.set_id, "007");
    ck_assert_str_eq(loaded.log_level, "true");
    ck_assert_str_eq(loaded.adapters[0].protocol, "a: b # c");
    ck_assert_str_eq(loaded.adapters[0].endpoint, meta.adapters[0].endpoint);
    ck_assert_str_eq(loaded.local, meta.local);
    ck_assert_str_eq(loaded.local_ip, "127.0.0.1");
    ck_assert_str_eq(loaded.tars_path, home);
    meta_free(&loaded);
    char *text = tk_read_file(tk_text("%s/data/server_info.yaml", home));
    ck_assert_ptr_nonnull(strstr(text, "conf:\n  application: Demo\n"));
    ck_assert_ptr_nonnull(strstr(text, "set_id: \"007\"\n"));
    free(text);
}
END_TEST

/* ---- the node that heartbeats go to
 * --------------------------------------------------------------- */

/* What the configuration says of it: "", or its port behind the usual text. */
static const char *node_in(const char *file)
{
    static const char usual[] = "tars.tarsnode.ServerObj@tcp -h 127.0.0.1 -p ";
    struct tars_error error = {0};
    struct tars_conf *conf = tars_conf_load(tk_text("%s/conf/%s", home, file), &error);
    ck_assert_msg(conf != NULL, "%s", error.text);
    const char *node = tk_text("%s", tars_conf_get(conf, "/tars/application/server<node>", ""));
    tars_conf_free(conf);
    return strncmp(node, usual, sizeof usual - 1) == 0 ? node + sizeof usual - 1 : node;
}

/* As the genconf that a start script runs, under a supervisor that holds these ports. */
static void run_genconf(const char *held)
{
    struct tars_error error = {0};
    meta_free(&meta);
    if (held)
        setenv("TARSCLI_PORTS", held, 1);
    ck_assert(environment_read(&env, USED_BY_GENCONF, &error));
    struct ports *own = ports_new(env.port_min, env.port_max, env.held_ports);
    ck_assert_msg(generate(&env, own, &meta, &error), "%s", error.text);
    ports_free(own);
    unsetenv("TARSCLI_PORTS");
}

START_TEST(supervised_server_is_told_where_its_heartbeats_go)
{
    write_meta(hello_yaml);
    unsetenv("TARS_HEARTBEAT");
    works();
    int port = meta.heartbeat_port;
    ck_assert_int_gt(port, port_of(meta.local));
    const char *text = tk_text("%d -t 60000", port);
    ck_assert_str_eq(node_in("Hello.conf"), text);
    works(); /* the next supervisor finds the port free and keeps it */
    ck_assert_str_eq(node_in("Hello.conf"), text);
    run_genconf(tk_text("%d", port)); /* the supervisor listens: the port need not be free */
    ck_assert_str_eq(node_in("Hello.conf"), text);
    ck_assert_int_eq(meta.heartbeat_port, port);
}
END_TEST

START_TEST(nobody_is_named_where_nobody_would_listen)
{
    write_meta(hello_yaml);
    unsetenv("TARS_HEARTBEAT");
    run_genconf(NULL);
    ck_assert_str_eq(node_in("Hello.conf"), "");
    setenv("TARS_HEARTBEAT", "off", 1);
    works();
    ck_assert_str_eq(node_in("Hello.conf"), "");
    ck_assert_int_eq(meta.heartbeat_port, 0);
}
END_TEST

START_TEST(node_of_the_users_own_stays)
{
    unsetenv("TARS_HEARTBEAT");
    write_meta("application: Demo\nserver: Hello\nnode: my.node.Obj@tcp -h 1.2.3.4 -p 5\n");
    works();
    ck_assert_str_eq(node_in("Hello.conf"), "my.node.Obj@tcp -h 1.2.3.4 -p 5");
    ck_assert_int_eq(meta.heartbeat_port, 0);
    write_meta(hello_yaml);
    setenv("TARS_MERGE_CONF", tk_text("%s/bin/merge", home), 1);
    tk_write_file(tk_text("%s/bin/merge", home),
                  "<tars><application><server>\nnode=merged\n</server></application></tars>");
    works();
    ck_assert_str_eq(node_in("Hello.conf"), "merged");
    ck_assert_int_eq(meta.heartbeat_port, 0);
}
END_TEST

START_TEST(servers_own_ports_go_before_heartbeats)
{
    unsetenv("TARS_HEARTBEAT");
    write_meta(hello_yaml);
    works();
    setenv("TARS_RAND_PORT_MIN", tk_text("%u", port_of(meta.adapters[0].endpoint)), 1);
    setenv("TARS_RAND_PORT_MAX", tk_text("%u", port_of(meta.local)), 1);
    works();
    ck_assert_str_eq(node_in("Hello.conf"), "");
}
END_TEST

START_TEST(without_metadata_the_environment_is_enough)
{
    fails(tk_text("application or server name can not be empty: %s/bin/_server_meta.yaml does not "
                  "exist: no application, and TARS_APPLICATION is not set",
                  home));
    setenv("TARS_APPLICATION", "A", 1);
    write_meta("adapters:\n");
    fails("_server_meta.yaml does not say server, and TARS_SERVER is not set");
    setenv("TARS_SERVER", "", 1);
    fails("application or server name can not be empty: TARS_SERVER is set to nothing");
    setenv("TARS_SERVER", "B", 1);
    works();
    ck_assert_uint_eq(meta.adapter_count, 0);
}
END_TEST

/* Each of them makes the text longer. */
START_TEST(very_many_macros_take_little)
{
    char *text = NULL;
    size_t len;
    FILE *out = open_memstream(&text, &len);
    fputs("application: A\nserver: B\nlocal: tcp -h ${local_ip} -p 1 ", out);
    for (int i = 0; i < 12000; i++)
        fputs("${local_ip}", out);
    fclose(out);
    write_meta(text);
    free(text);
    fails("endpoint of local");
    struct rusage use;
    ck_assert_int_eq(getrusage(RUSAGE_SELF, &use), 0);
    ck_assert_int_lt(use.ru_maxrss, 400000); /* KB; it was 800 MB */
}
END_TEST

START_TEST(merge_keys_of_yaml_count)
{
    write_meta("base: &base {threads: 9, protocol: not_tars, maxconns: 7}\n"
               "other: &other {threads: 8, queuecap: 6}\n"
               "all: &all {<<: [*base, *other], maxconns: 5}\n"
               "<<: {application: Demo, server: Wrong, adapters: []}\n"
               "server: Hello\n"
               "adapters:\n"
               "- <<: *all\n"
               "  object: O\n"
               "  protocol: tars\n"
               "- {object: P, '<<': text}\n");
    works();
    ck_assert_str_eq(meta.application, "Demo");
    ck_assert_str_eq(meta.server, "Hello");
    ck_assert_uint_eq(meta.adapter_count, 2);
    ck_assert_int_eq(meta.adapters[0].threads, 9);
    ck_assert_int_eq(meta.adapters[0].maxconns, 5);
    ck_assert_int_eq(meta.adapters[0].queuecap, 6);
    ck_assert_str_eq(meta.adapters[0].protocol, "tars");
    ck_assert_int_eq(meta.adapters[1].threads, 5);
}
END_TEST

/* Each level merges the one before twice: two to the power of their number. */
START_TEST(merging_without_end_and_deep_nesting_are_refused_quickly)
{
    char *text = NULL, deep[20000];
    size_t len;
    FILE *out = open_memstream(&text, &len);
    fputs("m0: &m0 {a: b}\n", out);
    for (int i = 1; i < 30; i++)
        fprintf(out, "m%d: &m%d {<<: [*m%d, *m%d], k%d: v}\n", i, i, i - 1, i - 1, i);
    fputs("<<: *m14\n", out);
    fclose(out);
    write_meta(text);
    free(text);
    fails("too much is merged by <<");
    write_meta("a: &a\n  <<: *a\n<<: *a\n");
    fails("too much is merged by <<");
    write_meta("<<: 5\n");
    fails("line 1: a mapping is wanted behind <<");
    memset(deep, '[', sizeof deep - 1);
    deep[sizeof deep - 1] = '\0';
    write_meta(tk_text("application: A\nx: %s", deep));
    fails("line 2: more than 64 lists and mappings inside each other");
}
END_TEST

START_TEST(what_cannot_be_used_is_refused_with_the_reason)
{
    static const char begin[] = "application: A\nserver: B\n";
    static const struct {
        const char *yaml, *reason;
    } rows[] = {
        {"sample_rate: many\n", "line 3: a whole number is wanted for sample_rate"},
        {"sample_rate: 99999999999\n", "a whole number is wanted"},
        {"locator: [a]\n", "line 3: one value is wanted"},
        {"adapters: 5\n", "line 3: a list is wanted for adapters"},
        {"adapters: [5]\n", "a mapping is wanted"},
        {"adapters:\n- endpoint: tcp -h 1.2.3.4 -p 1\n", "object '' is no name"},
        {"adapters: [{object: a/b}]\n", "object 'a/b' is no name"},
        {"adapters: [{object: O}, {object: O}]\n", "there is another one for object O"},
        {"adapters: [{object: O, endpoint: nonsense}]\n", "endpoint of O"},
        {"adapters: [{object: O, endpoint: 'tcp -p ${random_port}'}]\n", "endpoint of O"},
        {"logLevel: \"a\\nb=1\"\n", "logLevel holds a control character"},
        {"logLevel: 'a</server>'\n", "logLevel holds a control character"},
        {"set_id: ' x'\n", "set_id begins or ends with a blank"},
        {"locator: tars.tarsregistry.QueryObj\n", "there is no '@'"},
        {"locator: 'x@nonsense -h'\n", "locator 'x@nonsense -h'"},
        {"a: [1\n", "line"},
        {"logLevel: \"a\\0b\"\n", "a NUL byte"},
        {"server_type: tars_c++\n", "server_type 'tars_c++' is none of tars_cpp, tars_java"},
        {"server: ../../etc\n", "server '../../etc' is no name"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct tars_error error;
        write_meta(tk_text("%s%s", begin, rows[i].yaml));
        ck_assert_msg(!run(&error), "%s", rows[i].yaml);
        ck_assert_msg(strstr(error.text, rows[i].reason), "%s: '%s' does not say '%s'",
                      rows[i].yaml, error.text, rows[i].reason);
    }
    write_meta(begin);
    setenv("TARS_BUILD_SERVER", "../x", 1);
    fails("TARS_BUILD_SERVER '../x' is no name");
}
END_TEST

START_TEST(nothing_half_written_is_left_and_write_errors_are_told)
{
    write_meta(hello_yaml);
    works();
    char *before = tk_read_file(tk_text("%s/conf/Hello.conf", home));
    struct stat info;
    ck_assert_int_eq(stat(tk_text("%s/conf/Hello.conf", home), &info), 0);
    ck_assert_uint_eq(info.st_mode & 0777, 0644);
    ck_assert_int_eq(rename(tk_text("%s/conf", home), tk_text("%s/moved", home)), 0);
    fails("cannot write");
    char *after = tk_read_file(tk_text("%s/moved/Hello.conf", home));
    ck_assert_str_eq(before, after);
    free(before);
    free(after);
}
END_TEST

/* ---- ports
 * --------------------------------------------------------------------------------------------- */

START_TEST(ports_stay_the_same_while_they_are_free)
{
    write_meta(hello_yaml);
    works();
    uint16_t before = port_of(meta.adapters[0].endpoint);
    works();
    ck_assert_uint_eq(port_of(meta.adapters[0].endpoint), before);
}
END_TEST

START_TEST(two_of_one_network_get_different_ports)
{
    struct tars_error error = {0};
    write_meta(hello_yaml);
    works();
    struct ports *others = ports_new(env.port_min, env.port_max, NULL);
    char *held = ports_variable(ports);
    struct ports *child = ports_new(env.port_min, env.port_max, strchr(held, '=') + 1);
    uint16_t mine = port_of(meta.adapters[0].endpoint), other;
    ck_assert(ports_take(others, TARS_TCP, "127.0.0.1", mine, &other, &error));
    ck_assert_uint_ne(other, mine);
    ck_assert(ports_take(child, TARS_TCP, "127.0.0.1", mine, &other, &error));
    ck_assert_uint_eq(other, mine);
    ports_free(child);
    free(held);
    ports_free(others);
}
END_TEST

START_TEST(ports_for_datagrams_and_all_kinds_are_found)
{
    write_meta("application: A\nserver: B\nlocal: tcp -h ${local_ip} -p ${random_port}\nadapters:\n"
               "- {object: U, endpoint: 'udp -h ${local_ip} -p ${random_port}'}\n"
               "- {object: S, endpoint: 'ssl -h 0.0.0.0 -p ${random_port}'}\n");
    works();
    ck_assert_int_ge(port_of(meta.adapters[0].endpoint), first_port);
    ck_assert_int_gt(port_of(meta.adapters[1].endpoint), port_of(meta.adapters[0].endpoint));
    ck_assert_ptr_nonnull(strstr(meta.local, "127.0.0.1"));
    struct tars_error error = {0};
    const struct sup_check *checks;
    size_t count;
    ck_assert(checks_make(&env, &meta, NULL, &checks, &count, &error));
    ck_assert_int_eq(checks[0].kind, SUP_CHECK_UDP);
    ck_assert_int_eq(checks[1].kind, SUP_CHECK_TLS);
}
END_TEST

START_TEST(ports_that_endpoints_name_are_not_given_to_others)
{
    write_meta(tk_text("application: A\nserver: B\nadapters:\n"
                       "- {object: R}\n"
                       "- {object: F, endpoint: 'tcp -h 0.0.0.0 -p %u -t 3000'}\n",
                       first_port));
    works();
    ck_assert_uint_ne(port_of(meta.adapters[0].endpoint), first_port);
    ck_assert_uint_eq(port_of(meta.adapters[1].endpoint), first_port);
    ck_assert_uint_ne(port_of(meta.local), first_port);
    char *held = ports_variable(ports);
    ck_assert_ptr_nonnull(strstr(held, tk_text("%u", first_port)));
    free(held);
}
END_TEST

START_TEST(ports_that_are_named_can_be_claimed_by_one_only)
{
    struct tars_error error = {0};
    struct ports *a = ports_new(first_port, first_port + 9, NULL),
                 *b = ports_new(first_port, first_port + 9, NULL);
    ports_avoid(a, first_port);
    ports_avoid(b, first_port);
    ck_assert(ports_claim(a, TARS_TCP, "127.0.0.1", first_port, &error));
    ck_assert(ports_claim(a, TARS_UDP, "127.0.0.1", first_port, &error));
    ck_assert(!ports_claim(b, TARS_TCP, "127.0.0.1", first_port, &error));
    ck_assert(!ports_claim(b, TARS_TCP, "127.0.0.1", first_port, &error));
    ports_free(a);
    ports_free(b);
}
END_TEST

START_TEST(address_that_is_none_of_this_machine_is_told)
{
    static const char *const none[] = {"127.0.0.1,::1",  "127.0.0.1 -p 22", "$(HOST_IP)",
                                       "${random_port}", "127.0.0.1:80",    "a/b"};
    write_meta(hello_yaml);
    setenv("POD_IP", "192.0.2.1", 1);
    fails("no available port: cannot listen on 192.0.2.1: Cannot assign requested address; is that "
          "(POD_IP,");
    for (size_t i = 0; i < sizeof none / sizeof *none; i++) {
        setenv("POD_IP", none[i], 1);
        fails(tk_text("POD_IP: '%s' is no address", none[i]));
    }
    setenv("POD_IP", "localhost", 1);
    works();
}
END_TEST

START_TEST(patience_of_any_length_is_one)
{
    struct tars_error error = {0};
    const struct sup_check *checks;
    size_t count;
    write_meta(hello_yaml);
    setenv("TARS_CHECK_RETRY_TIMEOUT", "30000d", 1);
    works();
    ck_assert(checks_make(&env, &meta, NULL, &checks, &count, &error));
    for (size_t i = 0; i < count; i++)
        ck_assert_int_gt(checks[i].fall, 1);
}
END_TEST

START_TEST(merged_configuration_that_nobody_could_read_is_refused)
{
    write_meta(hello_yaml);
    setenv("TARS_MERGE_CONF", tk_text("%s/bin/merge", home), 1);
    tk_write_file(tk_text("%s/bin/merge", home), "<!DOCTYPE x>\n<tars>\n</tars>\n");
    fails("bin/merge: with it the configuration cannot be read: line ");
}
END_TEST

START_TEST(a_full_range_is_an_error)
{
    struct tars_error error = {0};
    struct ports *none = ports_new(first_port, first_port, NULL);
    uint16_t port;
    ck_assert(ports_take(none, TARS_TCP, "127.0.0.1", 0, &port, &error));
    ck_assert(!ports_take(none, TARS_TCP, "127.0.0.1", 0, &port, &error));
    ck_assert_msg(strstr(error.text, "no available port"), "%s", error.text);
    ports_free(none);
}
END_TEST

/* ---- syncdir
 * ------------------------------------------------------------------------------------------- */

static void sync_now(bool wanted)
{
    struct tars_error error = {0};
    struct environment e;
    ck_assert(environment_read(&e, USED_BY_SYNCDIR, &error));
    ck_assert_msg((command_syncdir.run(&e, 0, NULL, &error) == 0) == wanted, "%s", error.text);
}

static mode_t mode_of(const char *path)
{
    struct stat info;
    ck_assert_msg(stat(path, &info) == 0, "%s is not there", path);
    return info.st_mode & 0777;
}

START_TEST(volumes_are_copied_kept_up_and_cleared)
{
    const char *from = tk_dir(), *to = tk_text("%s/target", home);
    mkdir(tk_text("%s/..1", from), 0755);
    tk_write_file(tk_text("%s/..1/a.conf", from), "one");
    tk_write_file(tk_text("%s/run.sh", from), "#!/bin/sh\n");
    ck_assert_int_eq(symlink("..1", tk_text("%s/..data", from)), 0);
    ck_assert_int_eq(symlink("..data/a.conf", tk_text("%s/a.conf", from)), 0);
    ck_assert_int_eq(symlink(tk_text("%s/..1/a.conf", from), tk_text("%s/b.conf", from)), 0);
    setenv("TARS_SYNC_DIRECTORY", from, 1);
    setenv("TARS_SYNC_TARGET_DIRECTORY", to, 1);
    sync_now(true);
    tk_write_file(tk_text("%s/own", to), "not ours");
    char *text = tk_read_file(tk_text("%s/b.conf", to));
    ck_assert_str_eq(text, "one");
    free(text);
    ck_assert_uint_eq(mode_of(tk_text("%s/a.conf", to)), 0644);
    ck_assert_uint_eq(mode_of(tk_text("%s/run.sh", to)), 0755);
    ck_assert_int_ne(access(tk_text("%s/..data", to), F_OK), 0);

    tk_write_file(tk_text("%s/..1/a.conf", from), "other");
    unlink(tk_text("%s/run.sh", from));
    sync_now(true);
    text = tk_read_file(tk_text("%s/a.conf", to));
    ck_assert_str_eq(text, "other");
    free(text);
    ck_assert_int_ne(access(tk_text("%s/run.sh", to), F_OK), 0);
    ck_assert_int_eq(access(tk_text("%s/own", to), F_OK), 0);
}
END_TEST

static bool has(const char *folder, const char *name)
{
    return access(tk_text("%s/%s", folder, name), F_OK) == 0;
}

static void sync_from(const char *source)
{
    setenv("TARS_SYNC_DIRECTORY", source, 1);
    sync_now(true);
}

START_TEST(volumes_with_one_target_leave_each_others_files)
{
    const char *a = tk_dir(), *b = tk_dir(), *to = tk_text("%s/bin", home);
    tk_write_file(tk_text("%s/a", a), "a");
    tk_write_file(tk_text("%s/both", a), "of a");
    tk_write_file(tk_text("%s/b", b), "b");
    tk_write_file(tk_text("%s/both", b), "b's own");
    sync_from(a);
    sync_from(b);
    ck_assert(has(to, "a") && has(to, "b") && has(to, "both"));
    unlink(tk_text("%s/both", a));
    sync_from(b);
    sync_from(a);
    ck_assert(has(to, "a") && has(to, "b") && has(to, "both"));
    unlink(tk_text("%s/a", a));
    sync_from(a);
    ck_assert(!has(to, "a") && has(to, "b") && has(to, "both"));
    unlink(tk_text("%s/both", b));
    sync_from(b);
    ck_assert(has(to, "b") && !has(to, "both"));
}
END_TEST

START_TEST(large_files_of_volumes_are_copied_whole)
{
    const char *from = tk_dir(), *big = tk_text("%s/big", from);
    struct stat info;
    tk_write_file(big, "#!");
    ck_assert_int_eq(truncate(big, (off_t)FILE_MAX + 12345), 0);
    sync_from(from);
    ck_assert_int_eq(stat(tk_text("%s/bin/big", home), &info), 0);
    ck_assert_int_eq(info.st_size, (off_t)FILE_MAX + 12345);
    ck_assert_uint_eq(info.st_mode & 0777, 0755);
}
END_TEST

/* As root nothing is read-only by its mode: that it is not written shows as its age. */
START_TEST(nothing_new_in_a_volume_writes_nothing)
{
    const char *from = tk_dir(), *list = tk_text("%s/bin/.tarscli-syncdir", home);
    sync_from(from);
    ck_assert_int_ne(access(list, F_OK), 0);
    tk_write_file(tk_text("%s/a", from), "a");
    sync_from(from);
    utime(list, &(struct utimbuf){1, 1});
    sync_from(from);
    struct stat info;
    ck_assert_int_eq(stat(list, &info), 0);
    ck_assert_int_eq(info.st_mtime, 1);
}
END_TEST

START_TEST(syncing_nothing_is_fine_and_from_nowhere_fails)
{
    sync_now(true);
    setenv("TARS_SYNC_DIRECTORY", "/nowhere/at/all", 1);
    sync_now(false);
}
END_TEST

/* ---- the word about the server
 * ---------------------------------------------------------------------------- */

/* A server that fills its disk is no dead one: the word that is there already stays fresh. */
START_TEST(word_stays_fresh_on_a_full_disk)
{
    struct tars_error error = {0};
    struct rlimit limit;
    const char *path = tk_text("%s/data/check_status", home);
    int64_t age = 0;
    ck_assert(environment_read(&env, USED_BY_HZCHECK, &error));
    ck_assert(status_write(&env, STATUS_ACTIVE, &error));
    utime(path, &(struct utimbuf){1, 1});
    signal(SIGXFSZ, SIG_IGN);
    ck_assert_int_eq(getrlimit(RLIMIT_FSIZE, &limit), 0);
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &(struct rlimit){0, limit.rlim_max}), 0);
    bool same = status_write(&env, STATUS_ACTIVE, &error);
    bool other = status_write(&env, STATUS_INACTIVE, &error);
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
    ck_assert_msg(same && !other, "%d %d", same, other);
    char *word = status_read(&env, &age);
    ck_assert_str_eq(word, STATUS_ACTIVE);
    ck_assert_int_lt(age, 30000);
    free(word);
}
END_TEST

/* ---- remembered places
 * ------------------------------------------------------------------------------------- */

static void take_found(void *user, struct tars_proxy *proxy, const char *reason)
{
    (void)reason;
    *(bool *)user = proxy != NULL;
}

START_TEST(place_of_an_object_is_a_file_of_the_data_folder_whatever_its_name)
{
    struct tars_error error = {0};
    bool found = false;
    mkdir(tk_text("%s/data/cache_a", home), 0755);
    tk_write_file(tk_text("%s/outside", home), "a/../../outside@tcp -h 127.0.0.1 -p 1");
    ck_assert(environment_read(&env, USED_BY_PRESTOP, &error));
    struct loop *loop = loop_new("test");
    struct tars_client *client = tars_client_new_on(loop_base(loop), NULL);
    struct lookup *lookup = lookup_new(loop, client, &env, "l@tcp -h 127.0.0.1 -p 1",
                                       "a/../../outside");
    lookup_ask(lookup, take_found, &found);
    ck_assert(!found);
    lookup_free(lookup);
    tk_write_file(tk_text("%s/data/cache_a_.._.._outside", home),
                  "a/../../outside@tcp -h 127.0.0.1 -p 1");
    lookup = lookup_new(loop, client, &env, "l@tcp -h 127.0.0.1 -p 1", "a/../../outside");
    lookup_ask(lookup, take_found, &found);
    ck_assert(found);
    lookup_free(lookup);
    tars_client_free(client);
    loop_free(loop);
}
END_TEST

/* ---- the supervisor's log
 * -------------------------------------------------------------------------------- */

START_TEST(log_that_was_removed_is_begun_again)
{
    struct tars_error error = {0};
    const char *path = tk_text("%s/supervisor.log", home);
    int before = logfile_redirect(path, &error);
    ck_assert_str_eq(error.text, "");
    bool wrote = write(STDERR_FILENO, "one\n", 4) == 4;
    unlink(path);
    logfile_roll(path);
    wrote = wrote && write(STDERR_FILENO, "two\n", 4) == 4;
    dup2(before, STDERR_FILENO);
    ck_assert(wrote);
    char *text = tk_read_file(path);
    ck_assert_ptr_nonnull(text);
    ck_assert_str_eq(text, "two\n");
    free(text);
}
END_TEST

/* ---- processors
 * ------------------------------------------------------------------------------------------ */

START_TEST(processors_follow_the_quota)
{
    const char *root = tk_dir();
    mkdir(tk_text("%s/sys", root), 0755);
    mkdir(tk_text("%s/sys/fs", root), 0755);
    mkdir(tk_text("%s/sys/fs/cgroup", root), 0755);
    mkdir(tk_text("%s/sys/fs/cgroup/cpu", root), 0755);
    int all = cpus_count(root);
    ck_assert_int_ge(all, 1);
    tk_write_file(tk_text("%s/sys/fs/cgroup/cpu/cpu.cfs_period_us", root), "100000\n");
    tk_write_file(tk_text("%s/sys/fs/cgroup/cpu/cpu.cfs_quota_us", root), "190000\n");
    ck_assert_int_eq(cpus_count(root), 1);
    tk_write_file(tk_text("%s/sys/fs/cgroup/cpu/cpu.cfs_quota_us", root), "-1\n");
    ck_assert_int_eq(cpus_count(root), all);
    tk_write_file(tk_text("%s/sys/fs/cgroup/cpu.max", root), "50000 100000\n");
    ck_assert_int_eq(cpus_count(root), 1);
    tk_write_file(tk_text("%s/sys/fs/cgroup/cpu.max", root), "max 100000\n");
    ck_assert_int_eq(cpus_count(root), all);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("tarscli files");
    TCase *tc = tcase_create("all");
    tcase_add_checked_fixture(tc, open_home, close_home);
    tcase_add_test(tc, generated_configuration_has_every_key);
    tcase_add_test(tc, set_build_name_and_merge_file_are_in_it);
    tcase_add_test(tc, environment_goes_before_metadata);
    tcase_add_test(tc, info_file_reads_back_as_it_was);
    tcase_add_test(tc, supervised_server_is_told_where_its_heartbeats_go);
    tcase_add_test(tc, nobody_is_named_where_nobody_would_listen);
    tcase_add_test(tc, node_of_the_users_own_stays);
    tcase_add_test(tc, servers_own_ports_go_before_heartbeats);
    tcase_add_test(tc, without_metadata_the_environment_is_enough);
    tcase_add_test(tc, very_many_macros_take_little);
    tcase_add_test(tc, merge_keys_of_yaml_count);
    tcase_add_test(tc, merging_without_end_and_deep_nesting_are_refused_quickly);
    tcase_add_test(tc, what_cannot_be_used_is_refused_with_the_reason);
    tcase_add_test(tc, nothing_half_written_is_left_and_write_errors_are_told);
    tcase_add_test(tc, ports_stay_the_same_while_they_are_free);
    tcase_add_test(tc, two_of_one_network_get_different_ports);
    tcase_add_test(tc, ports_for_datagrams_and_all_kinds_are_found);
    tcase_add_test(tc, ports_that_endpoints_name_are_not_given_to_others);
    tcase_add_test(tc, ports_that_are_named_can_be_claimed_by_one_only);
    tcase_add_test(tc, address_that_is_none_of_this_machine_is_told);
    tcase_add_test(tc, patience_of_any_length_is_one);
    tcase_add_test(tc, merged_configuration_that_nobody_could_read_is_refused);
    tcase_add_test(tc, a_full_range_is_an_error);
    tcase_add_test(tc, volumes_are_copied_kept_up_and_cleared);
    tcase_add_test(tc, volumes_with_one_target_leave_each_others_files);
    tcase_add_test(tc, large_files_of_volumes_are_copied_whole);
    tcase_add_test(tc, nothing_new_in_a_volume_writes_nothing);
    tcase_add_test(tc, syncing_nothing_is_fine_and_from_nowhere_fails);
    tcase_add_test(tc, word_stays_fresh_on_a_full_disk);
    tcase_add_test(tc, place_of_an_object_is_a_file_of_the_data_folder_whatever_its_name);
    tcase_add_test(tc, log_that_was_removed_is_begun_again);
    tcase_add_test(tc, processors_follow_the_quota);
    suite_add_tcase(suite, tc);
    return tk_main(suite);
}
