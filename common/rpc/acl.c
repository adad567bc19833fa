/* SPDX-License-Identifier: BSD-3-Clause */
#include "rpc/acl.h"

#include <arpa/inet.h>
#include <stdlib.h>

enum { ENTRY_MAX = 64 };

/* An address as 16 bytes, IPv4 mapped into IPv6; false for anything else. */
static bool parse_address(struct tars_str text, uint8_t bytes[16])
{
    static const uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
    char copy[ENTRY_MAX];
    if (text.len == 0 || text.len >= sizeof copy)
        return false;
    memcpy(copy, text.at, text.len);
    copy[text.len] = '\0';
    memcpy(bytes, mapped, sizeof mapped);
    return inet_pton(AF_INET, copy, bytes + 12) == 1 || inet_pton(AF_INET6, copy, bytes) == 1;
}

/* "10.0.0.0/8": the network's address and how many bits of the 128 count. */
static bool parse_network(struct tars_str entry, uint8_t bytes[16], unsigned *bits)
{
    const char *slash = memchr(entry.at, '/', entry.len);
    if (!slash)
        return false;
    struct tars_str address = tars_str_n(entry.at, (size_t)(slash - entry.at));
    size_t digits = entry.len - address.len - 1;
    if (digits < 1 || digits > 3 || !parse_address(address, bytes))
        return false;
    bool v4 = !memchr(address.at, ':', address.len);
    unsigned n = 0;
    for (size_t i = 1; i <= digits; i++) {
        if (slash[i] < '0' || slash[i] > '9')
            return false;
        n = n * 10 + (unsigned)(slash[i] - '0');
    }
    *bits = v4 ? n + 96 : n;
    return n <= (v4 ? 32 : 128);
}

static bool in_network(struct tars_str address, const uint8_t network[16], unsigned bits)
{
    uint8_t bytes[16];
    if (!parse_address(address, bytes) || memcmp(bytes, network, bits / 8) != 0)
        return false;
    unsigned rest = bits % 8;
    return rest == 0 || (bytes[bits / 8] ^ network[bits / 8]) >> (8 - rest) == 0;
}

static bool matches_pattern(struct tars_str text, struct tars_str pattern)
{
    size_t t = 0, p = 0, star = SIZE_MAX, resume = 0;
    while (t < text.len) {
        if (p < pattern.len && pattern.at[p] == '*') {
            star = p++;
            resume = t;
        } else if (p < pattern.len && pattern.at[p] == text.at[t]) {
            p++;
            t++;
        } else if (star != SIZE_MAX) {
            p = star + 1;
            t = ++resume;
        } else {
            return false;
        }
    }
    while (p < pattern.len && pattern.at[p] == '*')
        p++;
    return p == pattern.len;
}

static bool matches(const struct tars_str_list *list, struct tars_str address)
{
    for (size_t i = 0; i < list->len; i++) {
        uint8_t network[16];
        unsigned bits;
        if (parse_network(list->at[i], network, &bits) ? in_network(address, network, bits)
                                                       : matches_pattern(address, list->at[i]))
            return true;
    }
    return false;
}

static bool entry_is_good(struct tars_str entry)
{
    uint8_t network[16];
    unsigned bits;
    if (memchr(entry.at, '/', entry.len))
        return parse_network(entry, network, &bits);
    return strspn(entry.at, "0123456789abcdefABCDEF.:*") >= entry.len;
}

static bool parse_list(struct tars_arena *arena, const char *text, struct tars_str_list *list,
                       struct tars_error *error)
{
    static const char separators[] = ";, \t";
    struct tars_str all = tars_arena_copy(arena, tars_str(text));
    list->at = tars_arena_alloc(arena, (all.len / 2 + 1) * sizeof *list->at);
    for (const char *at = all.at; *(at += strspn(at, separators));) {
        struct tars_str entry = tars_str_n(at, strcspn(at, separators));
        if (entry.len >= ENTRY_MAX || !entry_is_good(entry))
            return tars_fail(error, -1,
                             "\"%" TARS_STR_FMT "\" is no address, pattern (192.168.*) or network "
                             "(10.0.0.0/8)",
                             TARS_STR_ARG(entry));
        list->at[list->len++] = entry;
        at += entry.len;
    }
    return true;
}

bool rpc_acl_init(struct rpc_acl *acl, const char *allow, const char *deny, const char *order,
                  struct tars_error *error)
{
    memset(acl, 0, sizeof *acl);
    acl->deny_first = strncmp(order, "deny", 4) == 0;
    if (!*allow && !*deny)
        return true;
    acl->arena = tars_arena_new(0);
    return (parse_list(acl->arena, allow, &acl->allow, error) ||
            tars_fail_prefix(error, "allow: ")) &&
           (parse_list(acl->arena, deny, &acl->deny, error) || tars_fail_prefix(error, "deny: "));
}

void rpc_acl_free(struct rpc_acl *acl)
{
    tars_arena_free(acl->arena);
    memset(acl, 0, sizeof *acl);
}

bool rpc_acl_allows(const struct rpc_acl *acl, struct tars_str address)
{
    if (!acl->arena)
        return true;
    if (acl->deny_first && matches(&acl->deny, address))
        return false;
    if (matches(&acl->allow, address))
        return true;
    if (!acl->deny_first && matches(&acl->deny, address))
        return false;
    return acl->allow.len == 0;
}
