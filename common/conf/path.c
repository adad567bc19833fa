/* SPDX-License-Identifier: BSD-3-Clause */
#include "conf/path.h"

bool conf_path_parse(const char *text, struct conf_path *path)
{
    *path = (struct conf_path){tars_str(text), {NULL, 0}, false};
    if (text[0] != '/')
        return false;
    const char *open = strchr(text, '<');
    if (!open)
        return true;
    size_t len = strlen(open);
    if (len < 2 || open[len - 1] != '>')
        return false;
    path->domains.len = (size_t)(open - text);
    path->key = tars_str_n(open + 1, len - 2);
    path->has_key = true;
    return true;
}

bool conf_path_next(struct tars_str *domains, struct tars_str *name)
{
    while (domains->len && domains->at[0] == '/')
        *domains = tars_str_n(domains->at + 1, domains->len - 1);
    if (!domains->len)
        return false;
    const char *slash = memchr(domains->at, '/', domains->len);
    *name = tars_str_n(domains->at, slash ? (size_t)(slash - domains->at) : domains->len);
    *domains = tars_str_n(domains->at + name->len, domains->len - name->len);
    return true;
}
