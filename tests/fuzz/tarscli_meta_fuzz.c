/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Metadata as an image may bring it: what is accepted makes a configuration that reads back with
 * the same names, and a server_info.yaml that reads back the same. The text is also merged over it.
 */
#include <stdlib.h>
#include <tars/conf.h>

#include "k8stars/config.h"
#include "k8stars/merge.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

static void must(bool holds)
{
    if (!holds)
        abort();
}

static void read_back(struct meta *meta)
{
    struct tars_error error = {0};
    struct tars_str text;
    struct meta again;
    struct tars_conf *conf;

    must(config_print(meta, &text, &error));
    conf = tars_conf_parse(text, &error);
    must(conf &&
         strcmp(tars_conf_get(conf, "/tars/application/server<app>", ""), meta->application) == 0);
    must(strcmp(tars_conf_get(conf, "/tars/application/client<locator>", ""), meta->locator) == 0);
    tars_conf_free(conf);
    meta_init(&again);
    must(meta_read_info(&again, meta_print_info(meta), &error));
    must(strcmp(again.set_id, meta->set_id) == 0 && strcmp(again.local, meta->local) == 0 &&
         again.adapter_count == meta->adapter_count);
    for (size_t i = 0; i < meta->adapter_count; i++)
        must(strcmp(again.adapters[i].endpoint, meta->adapters[i].endpoint) == 0);
    meta_free(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    struct tars_error error = {0};
    struct tars_str text;
    struct meta meta;

    meta_init(&meta);
    if (meta_read(&meta, tars_str_n(bytes, len), &error) && meta_check(&meta, &error))
        read_back(&meta);
    if (merge_texts(tars_str("<tars>\nx=1\n</tars>"), tars_str_n(bytes, len), meta.arena, &text,
                    &error))
        must(text.len > 0);
    meta_free(&meta);
    return 0;
}
