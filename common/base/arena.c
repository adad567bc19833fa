/* SPDX-License-Identifier: BSD-3-Clause */
#include <tars/types.h>

#include <stdalign.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/xmalloc.h"

enum { FIRST_BLOCK = 1024, ALIGN = alignof(max_align_t) };

/* A block's bytes follow it; the newest block stands first and is the only one with room. */
struct block {
    struct block *older;
    size_t size;
    alignas(max_align_t) char bytes[];
};

struct tars_arena {
    struct block *block;
    size_t at;    /* first free byte of `block` */
    size_t used;  /* handed out since the reset, over all blocks */
    size_t limit; /* 0: none */
};

struct tars_arena *tars_arena_new(size_t limit)
{
    struct tars_arena *arena = xcalloc(1, sizeof *arena);
    arena->limit = limit;
    return arena;
}

static void free_blocks(struct block *b)
{
    while (b) {
        struct block *older = b->older;
        free(b);
        b = older;
    }
}

void tars_arena_free(struct tars_arena *arena)
{
    if (!arena)
        return;
    free_blocks(arena->block);
    free(arena);
}

void tars_arena_reset(struct tars_arena *arena)
{
    arena->at = arena->used = 0;
    if (!arena->block)
        return;
    free_blocks(arena->block->older); /* the newest is the largest */
    arena->block->older = NULL;
}

static void add_block(struct tars_arena *arena, size_t size)
{
    size_t doubled = arena->block ? arena->block->size * 2 : FIRST_BLOCK;
    struct block *b = xmalloc(sizeof *b + (size > doubled ? size : doubled));
    b->size = size > doubled ? size : doubled;
    b->older = arena->block;
    arena->block = b;
    arena->at = 0;
}

/* NULL over the limit; not zeroed. */
static void *take(struct tars_arena *arena, size_t size)
{
    if (size > SIZE_MAX / 4)
        return NULL;
    size = (size + ALIGN - 1) & ~(size_t)(ALIGN - 1);
    if (arena->limit && (size > arena->limit || arena->used > arena->limit - size))
        return NULL;
    if (!arena->block || arena->block->size - arena->at < size)
        add_block(arena, size);
    void *p = arena->block->bytes + arena->at;
    arena->at += size;
    arena->used += size;
    return p;
}

void *tars_arena_alloc(struct tars_arena *arena, size_t size)
{
    void *p = take(arena, size);
    if (p)
        memset(p, 0, size);
    return p;
}

struct tars_str tars_arena_copy(struct tars_arena *arena, struct tars_str s)
{
    char *copy = s.len < SIZE_MAX ? take(arena, s.len + 1) : NULL;
    if (!copy)
        return tars_str_n(NULL, 0);
    if (s.len)
        memcpy(copy, s.at, s.len);
    copy[s.len] = '\0';
    return tars_str_n(copy, s.len);
}

char *tars_arena_printf(struct tars_arena *arena, const char *format, ...)
{
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int len = vsnprintf(NULL, 0, format, args);
    va_end(args);
    char *text = len < 0 ? NULL : take(arena, (size_t)len + 1);
    if (text)
        vsnprintf(text, (size_t)len + 1, format, again);
    va_end(again);
    return text;
}

size_t tars_arena_used(const struct tars_arena *arena)
{
    return arena->used;
}
