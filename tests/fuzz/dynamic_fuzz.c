/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The codec that knows an interface only at run time: any bytes are decoded to JSON or refused, and
 * the JSON of what was decoded is encoded and decodes to the same JSON; any JSON is taken or
 * refused. The first byte chooses.
 */
#include <idl/dynamic.h>
#include <idl/idl.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char source[] =
    "module F {\n"
    "enum E { A = -1, B = 70000 };\n"
    "struct K { 0 require string s; 1 optional int i = 7; 2 optional E e = B; };\n"
    "key[K, i, s];\n"
    "struct T { 0 require int v; 1 optional vector<T> children; };\n"
    "struct All { 0 optional bool a; 1 optional byte b; 2 optional short c; 3 optional int d = 5;\n"
    "  4 optional long e; 5 optional unsigned byte f; 6 optional unsigned short g;\n"
    "  7 optional unsigned int h; 8 optional float i = 1.5; 9 optional double j;\n"
    "  10 optional string k = \"x\"; 11 optional vector<byte> l; 12 optional T t;\n"
    "  13 optional map<K, vector<K> > m; 14 optional map<string, map<int, string> > n;\n"
    "  20 optional vector<vector<string> > o; 21 optional map<double, bool> q; };\n"
    "interface I { All f(All a, K k, out vector<All> b, out string s); };\n"
    "};\n";

static const struct idl_function *function(struct idl *idl)
{
    if (idl_read_text(idl, "fuzz.tars", tars_str(source), NULL) == NULL || idl_errors(idl) > 0)
        abort();
    return idl_find_function(idl_find(idl, "F", "I"), "f");
}

/* What was decoded once can be encoded, and then reads the same. */
static void comes_back(const struct idl_type *type, struct tars_str json, struct tars_arena *arena)
{
    struct tars_json_reader in;
    struct tars_json_writer out;
    struct tars_reader r;
    struct tars_writer w;

    tars_writer_init(&w);
    tars_json_writer_init(&out);
    tars_json_reader_init(&in, json, arena);
    if (idl_write_value(&w, 0, type, &in)) {
        tars_reader_init(&r, w.at, w.len, arena);
        if (!idl_read_value(&r, 0, type, &out) || r.at != r.end)
            abort();
    }
    tars_json_writer_free(&out);
    tars_writer_free(&w);
}

static void decode(const struct idl_function *f, int version, struct tars_str body,
                   struct tars_arena *arena)
{
    struct tars_json_writer json;
    struct tars_reader r;
    struct tars_error error;

    tars_json_writer_init(&json);
    (void)idl_response_to_json(f, version, body, arena, &json, &error);
    tars_json_writer_free(&json);
    tars_json_writer_init(&json);
    tars_reader_init(&r, body.at, body.len, arena);
    if (idl_read_value(&r, 0, f->ret, &json))
        comes_back(f->ret, tars_json_text(&json), arena);
    tars_json_writer_free(&json);
}

static void encode(const struct idl_function *f, int version, struct tars_str json,
                   struct tars_arena *arena)
{
    struct tars_writer w;
    struct tars_error error;

    tars_writer_init(&w);
    (void)idl_request_from_json(f, version, json, arena, &w, &error);
    tars_writer_free(&w);
    comes_back(f->ret, json, arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const int versions[] = {1, 3, 5};
    struct idl *idl;
    struct tars_arena *arena;
    struct tars_str input;

    if (size < 1)
        return 0;
    idl = idl_new();
    arena = tars_arena_new((size_t)64 * 1024 * 1024);
    input = tars_str_n(data + 1, size - 1);
    if (data[0] & 1)
        encode(function(idl), versions[(data[0] >> 1) % 3], input, arena);
    else
        decode(function(idl), versions[(data[0] >> 1) % 3], input, arena);
    tars_arena_free(arena);
    idl_free(idl);
    return 0;
}
