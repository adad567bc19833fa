/* SPDX-License-Identifier: BSD-3-Clause */
#include <check.h>
#include <stdlib.h>

#include "daemon/adapters.h"
#include "testkit.h"

static const struct daemon_adapter adapters[] = {{"QueryObj", 17890, false},
                                                 {"RegistryObj", 17891, true}};
static const struct daemon_info info = {.name = "tarsregistry",
                                        .app = "tars",
                                        .adapters = adapters,
                                        .adapter_count = 2,
                                        .admin_port = 17897};

#define SERVER "/tars/application/server"

static struct tars_conf *complete(const char *text, int64_t offset, const char *failure)
{
    struct tars_error error = {0};
    struct tars_conf *conf = tars_conf_parse(tars_str(text), &error);
    ck_assert_msg(conf != NULL, "%s", error.text);
    bool ok = daemon_adapters_complete(conf, &info, "127.0.0.1", offset, &error);
    ck_assert_msg(ok == !failure, "%s", error.text);
    if (failure) {
        ck_assert_msg(strstr(error.text, failure), "%s", error.text);
        ck_assert_int_eq(error.code, DAEMON_USAGE);
    }
    return conf;
}

static void assert_value(const struct tars_conf *conf, const char *path, const char *value)
{
    ck_assert_str_eq(tars_conf_get(conf, path, "(missing)"), value);
}

START_TEST(without_a_file_every_servant_gets_its_default_port)
{
    struct tars_conf *conf = complete("", 0, NULL);
    assert_value(conf, SERVER "<app>", "tars");
    assert_value(conf, SERVER "<server>", "tarsregistry");
    assert_value(conf, SERVER "<local>", "tcp -h 127.0.0.1 -p 17897 -t 10000");
    assert_value(conf, SERVER "/tars.tarsregistry.QueryObjAdapter<endpoint>",
                 "tcp -h 127.0.0.1 -p 17890 -t 60000");
    assert_value(conf, SERVER "/tars.tarsregistry.QueryObjAdapter<servant>",
                 "tars.tarsregistry.QueryObj");
    assert_value(conf, SERVER "/tars.tarsregistry.RegistryObjAdapter<endpoint>",
                 "tcp -h 127.0.0.1 -p 17891 -t 60000");
    assert_value(conf, "/tars/application/client<locator>",
                 "tars.tarsregistry.QueryObj@tcp -h 127.0.0.1 -p 17890 -t 60000");
    tars_conf_free(conf);
}
END_TEST

START_TEST(the_offset_moves_defaults_and_the_ports_of_the_file)
{
    struct tars_conf *conf = complete(
        "<tars>\n<application>\n<server>\nlocal=tcp -h 127.0.0.1 -p 7 -t 0\n"
        "<Q>\nservant=tars.tarsregistry.QueryObj\nendpoint=udp -h :: -p 100 -t 0\n</Q>\n"
        "</server>\n<client>\nlocator=tars.tarsregistry.QueryObj@tcp -h far -p 9\n"
        "</client>\n</application>\n</tars>\n",
        1000, NULL);
    assert_value(conf, SERVER "<local>", "tcp -h 127.0.0.1 -p 1007 -t 0");
    assert_value(conf, SERVER "/Q<endpoint>", "udp -h :: -p 1100 -t 0");
    ck_assert(!tars_conf_has(conf, SERVER "/tars.tarsregistry.QueryObjAdapter"));
    assert_value(conf, SERVER "/tars.tarsregistry.RegistryObjAdapter<endpoint>",
                 "tcp -h 127.0.0.1 -p 18891 -t 60000");
    assert_value(conf, "/tars/application/client<locator>",
                 "tars.tarsregistry.QueryObj@tcp -h far -p 9");
    tars_conf_free(conf);
}
END_TEST

START_TEST(an_endpoint_of_the_file_stays_as_written_without_an_offset)
{
    struct tars_conf *conf = complete(
        "<tars>\n<application>\n<server>\n<Q>\nendpoint=tcp  -p 1 -h a -x y\n</Q>\n</server>\n"
        "</application>\n</tars>\n",
        0, NULL);
    assert_value(conf, SERVER "/Q<endpoint>", "tcp  -p 1 -h a -x y");
    tars_conf_free(conf);
}
END_TEST

START_TEST(names_of_the_file_name_the_servants)
{
    struct tars_conf *conf = complete(
        "<tars>\n<application>\n<server>\napp=My\nserver=Reg\n</server>\n"
        "</application>\n</tars>\n",
        0, NULL);
    assert_value(conf, SERVER "/My.Reg.QueryObjAdapter<servant>", "My.Reg.QueryObj");
    tars_conf_free(conf);
}
END_TEST

START_TEST(a_port_out_of_range_names_itself)
{
    tars_conf_free(complete("", 48000, "moves port 17897 of AdminObj to 65897"));
    tars_conf_free(complete("", -17890, "moves port 17890 of QueryObj to 0"));
    tars_conf_free(complete("<tars>\n<application>\n<server>\n<Q>\nendpoint=tcp -h a -p 65000\n"
                            "</Q>\n</server>\n</application>\n</tars>\n",
                            1000, "server/Q to 66000"));
}
END_TEST

START_TEST(an_endpoint_that_is_none_names_its_path)
{
    tars_conf_free(complete("<tars>\n<application>\n<server>\n<Q>\nendpoint=tcp -p x\n"
                            "</Q>\n</server>\n</application>\n</tars>\n",
                            0, SERVER "/Q<endpoint>: endpoint 'tcp -p x'"));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("daemon_adapters");
    TCase *tc = tcase_create("daemon_adapters");
    tcase_add_test(tc, without_a_file_every_servant_gets_its_default_port);
    tcase_add_test(tc, the_offset_moves_defaults_and_the_ports_of_the_file);
    tcase_add_test(tc, an_endpoint_of_the_file_stays_as_written_without_an_offset);
    tcase_add_test(tc, names_of_the_file_name_the_servants);
    tcase_add_test(tc, a_port_out_of_range_names_itself);
    tcase_add_test(tc, an_endpoint_that_is_none_names_its_path);
    suite_add_tcase(suite, tc);
    return tk_main(suite);
}
