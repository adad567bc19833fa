/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * AllTypes between JSON and bytes with libtars, one value a line of standard input:
 *   codec encode   JSON -> hex
 *   codec decode   hex -> JSON
 */
#include <stdio.h>
#include <stdlib.h>

#include "AllTypes.h"

static const char digits[] = "0123456789abcdef";

static bool encode(struct tars_str json, struct tars_arena *arena)
{
    struct interop_all_types value;
    struct tars_json_reader r;
    struct tars_writer w;

    interop_all_types_init(&value);
    tars_json_reader_init(&r, json, arena);
    if (!interop_all_types_from_json(&r, &value) || !tars_json_read_end(&r)) {
        fprintf(stderr, "codec: reading JSON: %s\n", r.error.text);
        return false;
    }
    tars_writer_init(&w);
    interop_all_types_write_fields(&w, &value);
    for (size_t i = 0; i < w.len; i++) {
        putchar(digits[w.at[i] >> 4]);
        putchar(digits[w.at[i] & 15]);
    }
    putchar('\n');
    tars_writer_free(&w);
    return true;
}

static uint8_t nibble(char c)
{
    return (uint8_t)(c <= '9' ? c - '0' : c - 'a' + 10);
}

static bool decode(struct tars_str hex, struct tars_arena *arena)
{
    struct interop_all_types value;
    uint8_t *bytes = tars_arena_alloc(arena, hex.len / 2 + 1);
    struct tars_json_writer w;
    struct tars_reader r;
    struct tars_error error;
    struct tars_str text;

    for (size_t i = 0; i + 1 < hex.len; i += 2)
        bytes[i / 2] = (uint8_t)(nibble(hex.at[i]) << 4 | nibble(hex.at[i + 1]));
    tars_reader_init(&r, bytes, hex.len / 2, arena);
    interop_all_types_init(&value);
    if (!interop_all_types_read_fields(&r, &value)) {
        tars_reader_explain(&r, &error);
        fprintf(stderr, "codec: decoding: %s\n", error.text);
        return false;
    }
    tars_json_writer_init(&w);
    interop_all_types_to_json(&w, &value);
    text = tars_json_text(&w);
    fwrite(text.at, 1, text.len, stdout);
    putchar('\n');
    tars_json_writer_free(&w);
    return true;
}

int main(int argc, char **argv)
{
    bool encoding = argc == 2 && strcmp(argv[1], "encode") == 0;
    struct tars_arena *arena = tars_arena_new(0);
    char *line = NULL;
    size_t size = 0;
    ssize_t len;
    int status = 0;

    if (!encoding && (argc != 2 || strcmp(argv[1], "decode") != 0)) {
        fprintf(stderr, "usage: codec encode|decode\n");
        status = 2;
    }
    while (status == 0 && (len = getline(&line, &size, stdin)) > 0) {
        struct tars_str text = tars_str_n(line, (size_t)len - (line[len - 1] == '\n'));

        if (text.len > 0 && !(encoding ? encode(text, arena) : decode(text, arena)))
            status = 1;
        tars_arena_reset(arena);
    }
    free(line);
    tars_arena_free(arena);
    return status;
}
