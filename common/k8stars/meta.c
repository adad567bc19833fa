/* SPDX-License-Identifier: BSD-3-Clause */
#include "meta.h"

#include <stdlib.h>
#include <yaml.h>

#include "base/xmalloc.h"
#include "conf/number.h"

enum { YAML_MAX = 1 << 20, NESTING_MAX = 64, MERGE_DEPTH = 16, MERGED_MAX = 10000 };

enum kind { TEXT, NUMBER };

struct field {
    const char *key;
    enum kind kind;
    size_t offset;
    const char *text;
    int32_t number;
};

#define TEXT_FIELD(struct_, key_, member_, default_)                                               \
    {                                                                                              \
        key_, TEXT, offsetof(struct struct_, member_), default_, 0                                 \
    }
#define NUMBER_FIELD(struct_, key_, member_, default_)                                             \
    {                                                                                              \
        key_, NUMBER, offsetof(struct struct_, member_), NULL, default_                            \
    }

static const struct field fields[] = {
    TEXT_FIELD(meta, "application", application, ""),
    TEXT_FIELD(meta, "server", server, ""),
    TEXT_FIELD(meta, "set_id", set_id, ""),
    TEXT_FIELD(meta, "server_type", server_type, ""),
    TEXT_FIELD(meta, "locator", locator,
               "tars.tarsregistry.QueryObj@tcp -h tars-registry.${namespace}.svc.cluster.local -p "
               "17890"),
    NUMBER_FIELD(meta, "sample_rate", sample_rate, 100000),
    NUMBER_FIELD(meta, "max_sample_count", max_sample_count, 50),
    TEXT_FIELD(meta, "statObj", stat, "tars.tarsstat.StatObj"),
    TEXT_FIELD(meta, "propertyObj", property, "tars.tarsproperty.PropertyObj"),
    NUMBER_FIELD(meta, "asyncThreadNum", async_threads, 3),
    NUMBER_FIELD(meta, "sync_invoke_timeout", sync_timeout, 3000),
    NUMBER_FIELD(meta, "async_invoke_timeout", async_timeout, 5000),
    NUMBER_FIELD(meta, "report_interval", report_interval, 6000),
    NUMBER_FIELD(meta, "refresh_endpoint_interval", endpoint_refresh, 60000),
    TEXT_FIELD(meta, "node", node, ""),
    TEXT_FIELD(meta, "local", local, "tcp -h 127.0.0.1 -p ${random_port} -t 5000"),
    TEXT_FIELD(meta, "logSize", log_size, "100M"),
    NUMBER_FIELD(meta, "logNum", log_count, 5),
    TEXT_FIELD(meta, "configObj", config, "tars.tarsconfig.ConfigObj"),
    TEXT_FIELD(meta, "notifyObj", notify, "tars.tarsnotify.NotifyObj"),
    TEXT_FIELD(meta, "logObj", log, "tars.tarslog.LogObj"),
    TEXT_FIELD(meta, "logLevel", log_level, "DEBUG"),
    NUMBER_FIELD(meta, "deactivating_timeout", deactivating_timeout, 3000),
};

static const struct field adapter_fields[] = {
    TEXT_FIELD(meta_adapter, "object", object, ""),
    TEXT_FIELD(meta_adapter, "endpoint", endpoint, "tcp -h ${local_ip} -p ${random_port} -t 30000"),
    NUMBER_FIELD(meta_adapter, "maxconns", maxconns, 200000),
    TEXT_FIELD(meta_adapter, "protocol", protocol, "tars"),
    NUMBER_FIELD(meta_adapter, "queuecap", queuecap, 10000),
    NUMBER_FIELD(meta_adapter, "queuetimeout", queuetimeout, 60000),
    NUMBER_FIELD(meta_adapter, "threads", threads, 5),
};

static const struct field info_fields[] = {
    TEXT_FIELD(meta, "local_ip", local_ip, ""),
    TEXT_FIELD(meta, "tars_path", tars_path, ""),
    NUMBER_FIELD(meta, "heartbeat_port", heartbeat_port, 0),
};

enum {
    FIELDS = sizeof fields / sizeof *fields,
    ADAPTER_FIELDS = sizeof adapter_fields / sizeof *adapter_fields,
    INFO_FIELDS = sizeof info_fields / sizeof *info_fields,
};

static const char **text_of(const struct field *f, void *record)
{
    return (const char **)(void *)((char *)record + f->offset);
}

static int32_t *number_of(const struct field *f, void *record)
{
    return (int32_t *)(void *)((char *)record + f->offset);
}

static void set_defaults(const struct field *list, size_t count, void *record)
{
    for (size_t i = 0; i < count; i++) {
        if (list[i].kind == TEXT)
            *text_of(&list[i], record) = list[i].text;
        else
            *number_of(&list[i], record) = list[i].number;
    }
}

void meta_init(struct meta *meta)
{
    *meta = (struct meta){.arena = tars_arena_new(0)};
    set_defaults(fields, FIELDS, meta);
    set_defaults(info_fields, INFO_FIELDS, meta);
}

struct meta_adapter *meta_adapter_of(struct meta *meta, const char *object)
{
    struct meta_adapter *list;

    for (size_t i = 0; i < meta->adapter_count; i++)
        if (strcmp(meta->adapters[i].object, object) == 0)
            return &meta->adapters[i];
    if (meta->adapter_count == META_ADAPTERS_MAX)
        return NULL;
    list = tars_arena_alloc(meta->arena, (meta->adapter_count + 1) * sizeof *list);
    if (meta->adapter_count)
        memcpy(list, meta->adapters, meta->adapter_count * sizeof *list);
    meta->adapters = list;
    list += meta->adapter_count++;
    set_defaults(adapter_fields, ADAPTER_FIELDS, list);
    list->object = tars_arena_copy(meta->arena, tars_str(object)).at;
    return list;
}

void meta_free(struct meta *meta)
{
    tars_arena_free(meta->arena);
    *meta = (struct meta){0};
}

/* ---- reading -----------------------------------------------------------------------------------
 */

struct reading {
    yaml_document_t document;
    struct meta *meta;
    size_t merged; /* pairs that came by "<<" */
    struct tars_error *error;
};

/* What a mapping says, also by way of "<<"; of equal keys the last counts. */
struct pairs {
    yaml_node_pair_t *at;
    size_t len, room;
};

static bool fail(const struct reading *r, const yaml_node_t *node, const char *what,
                 const char *about)
{
    return tars_fail(r->error, 1, "line %zu: %s%.100s", node->start_mark.line + 1, what, about);
}

static bool is_null(const yaml_node_t *node)
{
    const char *text = (const char *)node->data.scalar.value;

    return node->type == YAML_SCALAR_NODE && node->data.scalar.style == YAML_PLAIN_SCALAR_STYLE &&
           (strcmp(text, "") == 0 || strcmp(text, "~") == 0 || strcmp(text, "null") == 0 ||
            strcmp(text, "Null") == 0 || strcmp(text, "NULL") == 0);
}

static bool set_field(struct reading *r, const struct field *f, void *record,
                      const yaml_node_t *node)
{
    struct tars_str text;
    int64_t number;

    if (node->type != YAML_SCALAR_NODE)
        return fail(r, node, "one value is wanted, not a list or a mapping, for ", f->key);
    if (is_null(node))
        return true;
    text = tars_str_n(node->data.scalar.value, node->data.scalar.length);
    if (memchr(text.at, '\0', text.len))
        return fail(r, node, "a NUL byte stands in ", f->key);
    if (f->kind == TEXT) {
        *text_of(f, record) = tars_arena_copy(r->meta->arena, text).at;
        return true;
    }
    if (!conf_number(text, INT32_MIN, INT32_MAX, &number))
        return fail(r, node, "a whole number is wanted for ", f->key);
    *number_of(f, record) = (int32_t)number;
    return true;
}

static const struct field *find_field(const struct field *list, size_t count,
                                      const yaml_node_t *key)
{
    struct tars_str name;

    if (key->type != YAML_SCALAR_NODE)
        return NULL;
    name = tars_str_n(key->data.scalar.value, key->data.scalar.length);
    for (size_t i = 0; i < count; i++)
        if (tars_str_is(name, list[i].key))
            return &list[i];
    return NULL;
}

static void put_pair(struct reading *r, struct pairs *list, yaml_node_pair_t pair)
{
    if (list->len == list->room) {
        size_t room = list->room ? 2 * list->room : 32;
        yaml_node_pair_t *at = tars_arena_alloc(r->meta->arena, room * sizeof *at);

        if (list->len)
            memcpy(at, list->at, list->len * sizeof *at);
        *list = (struct pairs){at, list->len, room};
    }
    list->at[list->len++] = pair;
}

static bool is_merge(const yaml_node_t *key)
{
    return key->type == YAML_SCALAR_NODE && key->data.scalar.style == YAML_PLAIN_SCALAR_STYLE &&
           strcmp((const char *)key->data.scalar.value, "<<") == 0;
}

static bool collect(struct reading *r, const yaml_node_t *map, struct pairs *list, int depth);

/* The value of "<<": a mapping, or a list of them of which the first goes before the others. */
static bool merge(struct reading *r, const yaml_node_t *value, struct pairs *list, int depth)
{
    if (value->type == YAML_MAPPING_NODE)
        return collect(r, value, list, depth + 1);
    if (value->type != YAML_SEQUENCE_NODE)
        return fail(r, value, "a mapping is wanted behind ", "<<");
    for (yaml_node_item_t *i = value->data.sequence.items.top; i > value->data.sequence.items.start;
         i--) {
        const yaml_node_t *item = yaml_document_get_node(&r->document, i[-1]);

        if (item->type != YAML_MAPPING_NODE)
            return fail(r, item, "a mapping is wanted behind ", "<<");
        if (!collect(r, item, list, depth + 1))
            return false;
    }
    return true;
}

/* What is merged comes first, so that the mapping's own keys go before it. */
static bool collect(struct reading *r, const yaml_node_t *map, struct pairs *list, int depth)
{
    const yaml_node_pair_t *start = map->data.mapping.pairs.start,
                           *top = map->data.mapping.pairs.top;

    if (depth > MERGE_DEPTH || (depth > 0 && (r->merged += (size_t)(top - start)) > MERGED_MAX))
        return fail(r, map, "too much is merged by ", "<<");
    for (const yaml_node_pair_t *p = start; p < top; p++)
        if (is_merge(yaml_document_get_node(&r->document, p->key)) &&
            !merge(r, yaml_document_get_node(&r->document, p->value), list, depth))
            return false;
    for (const yaml_node_pair_t *p = start; p < top; p++)
        if (!is_merge(yaml_document_get_node(&r->document, p->key)))
            put_pair(r, list, *p);
    return true;
}

static bool read_fields(struct reading *r, const struct pairs *pairs, const struct field *list,
                        size_t count, void *record)
{
    for (size_t i = 0; i < pairs->len; i++) {
        const yaml_node_t *key = yaml_document_get_node(&r->document, pairs->at[i].key);
        const struct field *f = find_field(list, count, key);

        if (f && !set_field(r, f, record, yaml_document_get_node(&r->document, pairs->at[i].value)))
            return false;
    }
    return true;
}

/* The last value of a key; NULL when it is not there or null. */
static const yaml_node_t *find_value(struct reading *r, const struct pairs *pairs, const char *name)
{
    const struct field wanted = {.key = name};
    const yaml_node_t *found = NULL;

    for (size_t i = 0; i < pairs->len; i++)
        if (find_field(&wanted, 1, yaml_document_get_node(&r->document, pairs->at[i].key)))
            found = yaml_document_get_node(&r->document, pairs->at[i].value);
    return found && is_null(found) ? NULL : found;
}

static bool read_adapter(struct reading *r, const yaml_node_t *node, struct meta_adapter *adapter)
{
    struct pairs pairs = {0};

    set_defaults(adapter_fields, ADAPTER_FIELDS, adapter);
    if (node->type != YAML_MAPPING_NODE)
        return fail(r, node, "a mapping is wanted for each of the ", "adapters");
    return collect(r, node, &pairs, 0) &&
           read_fields(r, &pairs, adapter_fields, ADAPTER_FIELDS, adapter);
}

static bool read_adapters(struct reading *r, const yaml_node_t *list)
{
    struct meta *meta = r->meta;
    size_t count;

    if (list->type != YAML_SEQUENCE_NODE)
        return fail(r, list, "a list is wanted for ", "adapters");
    count = (size_t)(list->data.sequence.items.top - list->data.sequence.items.start);
    if (count > META_ADAPTERS_MAX)
        return fail(r, list, "there are too many ", "adapters");
    meta->adapters = tars_arena_alloc(meta->arena, (count + 1) * sizeof *meta->adapters);
    meta->adapter_count = 0;
    for (size_t i = 0; i < count; i++) {
        const yaml_node_t *node = yaml_document_get_node(&r->document,
                                                         list->data.sequence.items.start[i]);

        if (!read_adapter(r, node, &meta->adapters[meta->adapter_count++]))
            return false;
    }
    return true;
}

static bool read_meta(struct reading *r, const yaml_node_t *map)
{
    const yaml_node_t *adapters;
    struct pairs pairs = {0};

    if (map->type != YAML_MAPPING_NODE)
        return fail(r, map, "a mapping of keys to values is wanted", "");
    if (!collect(r, map, &pairs, 0) || !read_fields(r, &pairs, fields, FIELDS, r->meta))
        return false;
    adapters = find_value(r, &pairs, "adapters");
    return !adapters || read_adapters(r, adapters);
}

static bool read_info(struct reading *r, const yaml_node_t *map)
{
    const yaml_node_t *conf;
    struct pairs pairs = {0};

    if (map->type != YAML_MAPPING_NODE)
        return fail(r, map, "a mapping of keys to values is wanted", "");
    if (!collect(r, map, &pairs, 0))
        return false;
    conf = find_value(r, &pairs, "conf");
    if (!conf)
        return fail(r, map, "there is no ", "conf");
    return read_fields(r, &pairs, info_fields, INFO_FIELDS, r->meta) && read_meta(r, conf);
}

/* libyaml takes a time that grows with the square of the nesting. What does not parse is left to
 * the loader. */
static bool check_nesting(struct tars_str yaml, struct tars_error *error)
{
    yaml_parser_t parser;
    yaml_event_t event;
    int depth = 0;
    bool more = true, ok = true;

    if (!yaml_parser_initialize(&parser))
        return tars_fail(error, 1, "no memory");
    yaml_parser_set_input_string(&parser, (const unsigned char *)yaml.at, yaml.len);
    while (ok && more && yaml_parser_parse(&parser, &event)) {
        more = event.type != YAML_STREAM_END_EVENT;
        depth += event.type == YAML_SEQUENCE_START_EVENT || event.type == YAML_MAPPING_START_EVENT;
        depth -= event.type == YAML_SEQUENCE_END_EVENT || event.type == YAML_MAPPING_END_EVENT;
        if (depth > NESTING_MAX)
            ok = tars_fail(error, 1, "line %zu: more than %d lists and mappings inside each other",
                           event.start_mark.line + 1, NESTING_MAX);
        yaml_event_delete(&event);
    }
    yaml_parser_delete(&parser);
    return ok;
}

/* The first document of the text; false with the reason. */
static bool load(yaml_document_t *document, struct tars_str yaml, struct tars_error *error)
{
    yaml_parser_t parser;
    bool ok;

    if (yaml.len > YAML_MAX)
        return tars_fail(error, 1, "%zu bytes are more than metadata may have (%d)", yaml.len,
                         YAML_MAX);
    if (!check_nesting(yaml, error))
        return false;
    if (!yaml_parser_initialize(&parser))
        return tars_fail(error, 1, "no memory");
    yaml_parser_set_input_string(&parser, (const unsigned char *)yaml.at, yaml.len);
    ok = yaml_parser_load(&parser, document);
    if (!ok)
        tars_fail(error, 1, "line %zu: %s", parser.problem_mark.line + 1,
                  parser.problem ? parser.problem : "this is no YAML");
    yaml_parser_delete(&parser);
    return ok;
}

static bool read_with(struct meta *meta, struct tars_str yaml,
                      bool (*read)(struct reading *r, const yaml_node_t *root),
                      struct tars_error *error)
{
    struct reading r = {.meta = meta, .error = error};
    const yaml_node_t *root;
    bool ok;

    if (!load(&r.document, yaml, error))
        return false;
    root = yaml_document_get_root_node(&r.document);
    ok = root ? is_null(root) || read(&r, root) : true; /* an empty text says nothing */
    yaml_document_delete(&r.document);
    return ok;
}

bool meta_read(struct meta *meta, struct tars_str yaml, struct tars_error *error)
{
    return read_with(meta, yaml, read_meta, error);
}

bool meta_read_info(struct meta *meta, struct tars_str yaml, struct tars_error *error)
{
    return read_with(meta, yaml, read_info, error);
}

/* ---- checking ----------------------------------------------------------------------------------
 */

bool meta_check_text(const char *what, const char *text, struct tars_error *error)
{
    size_t len = strlen(text);

    for (size_t i = 0; i < len; i++)
        if ((unsigned char)text[i] < ' ' || text[i] == 0x7f || strchr("<>\\", text[i]))
            return tars_fail(error, 1,
                             "%s holds a control character or one of < > \\, which cannot stand in "
                             "a configuration",
                             what);
    if (len && (text[0] == ' ' || text[len - 1] == ' '))
        return tars_fail(error, 1, "%s begins or ends with a blank", what);
    return true;
}

bool meta_check_name(const char *what, const char *name, struct tars_error *error)
{
    static const char letters[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.";
    size_t len = strlen(name);

    if (len == 0 || len > 128 || strspn(name, letters) != len || name[0] == '.')
        return tars_fail(error, 1,
                         "%s '%.60s' is no name: 1 to 128 letters, digits, '_', '-' or '.' are "
                         "wanted, no '.' first",
                         what, name);
    return true;
}

static bool check_texts(const struct field *list, size_t count, const void *record,
                        struct tars_error *error)
{
    for (size_t i = 0; i < count; i++)
        if (list[i].kind == TEXT &&
            !meta_check_text(list[i].key, *text_of(&list[i], (void *)(uintptr_t)record), error))
            return false;
    return true;
}

static bool check_adapter(const struct meta *meta, size_t at, struct tars_error *error)
{
    const struct meta_adapter *adapter = &meta->adapters[at];

    if (!meta_check_name("object", adapter->object, error) ||
        !check_texts(adapter_fields, ADAPTER_FIELDS, adapter, error))
        return tars_fail_prefix(error, "adapter %zu: ", at + 1);
    for (size_t i = 0; i < at; i++)
        if (strcmp(meta->adapters[i].object, adapter->object) == 0)
            return tars_fail(error, 1, "adapter %zu: there is another one for object %s", at + 1,
                             adapter->object);
    return true;
}

/* The words that the registry keeps. */
static bool check_type(const char *type, struct tars_error *error)
{
    static const char *const types[] = {
        "", "tars_cpp", "tars_java", "tars_go", "tars_nodejs", "tars_php", "not_tars"};

    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (strcmp(type, types[i]) == 0)
            return true;
    return tars_fail(error, 1,
                     "server_type '%.60s' is none of tars_cpp, tars_java, tars_go, tars_nodejs, "
                     "tars_php, not_tars",
                     type);
}

bool meta_check(const struct meta *meta, struct tars_error *error)
{
    if (!*meta->application || !*meta->server)
        return tars_fail(error, 1, "application or server name can not be empty");
    if (!meta_check_name("application", meta->application, error) ||
        !meta_check_name("server", meta->server, error) || !check_type(meta->server_type, error) ||
        !check_texts(fields, FIELDS, meta, error))
        return false;
    for (size_t i = 0; i < meta->adapter_count; i++)
        if (!check_adapter(meta, i, error))
            return false;
    return true;
}

/* ---- server_info.yaml -------------------------------------------------------------------------
 */

struct writing {
    yaml_document_t document;
    struct tars_arena *arena;
};

/* Would a reader take the plain text for something else than a text? */
static bool needs_quotes(const char *text)
{
    static const char *const words[] = {"true", "false", "yes", "no",   "on",   "off",
                                        "y",    "n",     "~",   "null", ".inf", ".nan"};
    char *end;

    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strcasecmp(text, words[i]) == 0)
            return true;
    strtod(text, &end);
    return *text == '\0' || *end == '\0' || strspn(text, "+-0123456789_:.xo") == strlen(text);
}

static int add_scalar(struct writing *w, const char *text, bool is_text)
{
    bool quoted = is_text && needs_quotes(text) && strchr(text, '.') == NULL;

    return yaml_document_add_scalar(&w->document, NULL, (const yaml_char_t *)text, -1,
                                    quoted ? YAML_DOUBLE_QUOTED_SCALAR_STYLE
                                           : YAML_ANY_SCALAR_STYLE);
}

static void add_pair(struct writing *w, int map, const char *key, int value)
{
    yaml_document_append_mapping_pair(&w->document, map, add_scalar(w, key, false), value);
}

static void add_fields(struct writing *w, int map, const struct field *list, size_t count,
                       void *record)
{
    for (size_t i = 0; i < count; i++) {
        const char *text = list[i].kind == TEXT
                               ? *text_of(&list[i], record)
                               : tars_arena_printf(w->arena, "%d",
                                                   (int)*number_of(&list[i], record));

        add_pair(w, map, list[i].key, add_scalar(w, text, list[i].kind == TEXT));
    }
}

static int add_adapters(struct writing *w, const struct meta *meta)
{
    int list = yaml_document_add_sequence(&w->document, NULL, YAML_BLOCK_SEQUENCE_STYLE);

    for (size_t i = 0; i < meta->adapter_count; i++) {
        int map = yaml_document_add_mapping(&w->document, NULL, YAML_BLOCK_MAPPING_STYLE);

        add_fields(w, map, adapter_fields, ADAPTER_FIELDS, &meta->adapters[i]);
        yaml_document_append_sequence_item(&w->document, list, map);
    }
    return list;
}

static int take_text(void *out, unsigned char *bytes, size_t len)
{
    return fwrite(bytes, 1, len, out) == len;
}

/* Frees the document. */
static void emit(yaml_document_t *document, FILE *out)
{
    yaml_emitter_t emitter;

    yaml_emitter_initialize(&emitter);
    yaml_emitter_set_output(&emitter, take_text, out);
    yaml_emitter_set_indent(&emitter, 2);
    yaml_emitter_set_width(&emitter, -1);
    yaml_emitter_set_unicode(&emitter, 1);
    yaml_emitter_dump(&emitter, document);
    yaml_emitter_delete(&emitter);
}

struct tars_str meta_print_info(struct meta *meta)
{
    struct writing w = {.arena = meta->arena};
    struct tars_str text;
    char *buffer = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&buffer, &len);
    int root, conf;

    yaml_document_initialize(&w.document, NULL, NULL, NULL, 1, 1);
    root = yaml_document_add_mapping(&w.document, NULL, YAML_BLOCK_MAPPING_STYLE);
    conf = yaml_document_add_mapping(&w.document, NULL, YAML_BLOCK_MAPPING_STYLE);
    add_fields(&w, conf, fields, FIELDS, meta);
    add_pair(&w, conf, "adapters", add_adapters(&w, meta));
    add_pair(&w, root, "conf", conf);
    add_fields(&w, root, info_fields, INFO_FIELDS, meta);
    emit(&w.document, out);
    fclose(out);
    text = tars_arena_copy(meta->arena, tars_str_n(buffer, len));
    free(buffer);
    return text;
}
