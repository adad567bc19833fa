/* SPDX-License-Identifier: BSD-3-Clause */
/* Endpoint texts. Tars protocol: object and endpoint syntax. */
#include <tars/endpoint.h>

#include <stdio.h>

#include "conf/number.h"
#include "conf/text.h"

static const char *const transports[] = {
    [TARS_UDP] = "udp", [TARS_TCP] = "tcp", [TARS_SSL] = "ssl"};
enum { TRANSPORTS = 3, TRANSPORT_LEN = 3, NO_WEIGHT = -1, FULL_WEIGHT = 100 };

static bool next_token(struct tars_str *text, struct tars_str *token)
{
    *text = conf_trim_left(*text);
    *token = tars_str_n(text->at, 0);
    while (token->len < text->len && !conf_is_blank(text->at[token->len]))
        token->len++;
    *text = tars_str_n(text->at + token->len, text->len - token->len);
    return token->len > 0;
}

static bool parse_transport(struct tars_str token, enum tars_transport *transport)
{
    for (int i = 0; i < TRANSPORTS; i++)
        if (tars_str_is(token, transports[i])) {
            *transport = (enum tars_transport)i;
            return true;
        }
    return false;
}

/* ---- options ----------------------------------------------------------------------------------
 */

static bool set_host(struct tars_endpoint *e, struct tars_str host)
{
    if (tars_str_is(host, "*"))
        host = tars_str("0.0.0.0");
    if (host.len >= sizeof e->host)
        return false;
    for (size_t i = 0; i < host.len; i++)
        if ((unsigned char)host.at[i] < 0x20 || host.at[i] == 0x7f)
            return false;
    memcpy(e->host, host.at, host.len);
    e->host[host.len] = '\0';
    return true;
}

static bool set_port(struct tars_endpoint *e, struct tars_str text)
{
    int64_t port;
    if (!conf_number(text, 0, UINT16_MAX, &port))
        return false;
    e->port = (uint16_t)port;
    return true;
}

static bool parse_int32(struct tars_str text, int32_t max, int32_t *value)
{
    int64_t n;
    if (!conf_number(text, 0, max, &n))
        return false;
    *value = (int32_t)n;
    return true;
}

/* The options that are numbers, and what they may be at most. */
static const struct number_option {
    char letter;
    int32_t max;
    size_t offset;
} number_options[] = {
    {'t', INT32_MAX, offsetof(struct tars_endpoint, timeout_ms)},
    {'g', INT32_MAX, offsetof(struct tars_endpoint, grid)},
    {'q', INT32_MAX, offsetof(struct tars_endpoint, qos)},
    {'w', INT32_MAX, offsetof(struct tars_endpoint, weight)},
    {'v', INT32_MAX, offsetof(struct tars_endpoint, weight_type)},
    {'e', 1, offsetof(struct tars_endpoint, auth)},
};

static const struct number_option *find_number_option(char letter)
{
    for (size_t i = 0; i < sizeof number_options / sizeof *number_options; i++)
        if (number_options[i].letter == letter)
            return &number_options[i];
    return NULL;
}

/* `argument` is empty when there is none. */
static bool set_option(struct tars_endpoint *e, char letter, struct tars_str argument,
                       struct tars_error *error)
{
    const struct number_option *number = find_number_option(letter);
    if (letter != 'h' && letter != 'p' && !number)
        return true;
    if (!argument.len)
        return tars_fail(error, -1, "-%c has no value", letter);
    if (letter == 'h' && !set_host(e, argument))
        return tars_fail(error, -1,
                         "-h is not a host name, an address or a path of at most %zu bytes",
                         sizeof e->host - 1);
    if (letter == 'p' && !set_port(e, argument))
        return tars_fail(error, -1, "-p %" TARS_STR_FMT " is not a port from 0 to 65535",
                         TARS_STR_ARG(conf_excerpt(argument)));
    if (number &&
        !parse_int32(argument, number->max, (int32_t *)(void *)((char *)e + number->offset)))
        return tars_fail(error, -1, "-%c %" TARS_STR_FMT " is not a whole number from 0 to %d",
                         letter, TARS_STR_ARG(conf_excerpt(argument)), number->max);
    return true;
}

static bool parse_options(struct tars_str text, struct tars_endpoint *e, struct tars_error *error)
{
    struct tars_str option, argument, behind;
    while (next_token(&text, &option)) {
        if (option.len != 2 || option.at[0] != '-')
            return tars_fail(error, -1, "'%" TARS_STR_FMT "' is not an option such as -h or -p",
                             TARS_STR_ARG(conf_excerpt(option)));
        behind = text;
        if (next_token(&behind, &argument) && argument.at[0] != '-')
            text = behind;
        else
            argument.len = 0;
        if (!set_option(e, option.at[1], argument, error))
            return false;
    }
    return true;
}

bool tars_endpoint_parse(struct tars_str text, struct tars_endpoint *endpoint,
                         struct tars_error *error)
{
    struct tars_str rest = text, transport;
    struct tars_endpoint e = {.host = "0.0.0.0", .timeout_ms = 3000, .weight = NO_WEIGHT};
    next_token(&rest, &transport);
    bool ok = parse_transport(transport, &e.transport) ||
              tars_fail(error, -1, "it does not begin with tcp, udp or ssl");
    if (!ok || !parse_options(rest, &e, error))
        return tars_fail_prefix(error,
                                "endpoint '%" TARS_STR_FMT "': ", TARS_STR_ARG(conf_excerpt(text)));
    if (e.weight_type != 0 && (e.weight == NO_WEIGHT || e.weight > FULL_WEIGHT))
        e.weight = FULL_WEIGHT;
    *endpoint = e;
    return true;
}

/* ---- text ---------------------------------------------------------------------------------------
 */

size_t tars_endpoint_print(const struct tars_endpoint *e, char *text, size_t size)
{
    const struct {
        char letter;
        int32_t value;
    } options[] = {{'t', e->timeout_ms},  {'g', e->grid},
                   {'q', e->qos},         {'w', e->weight > 0 ? e->weight : 0},
                   {'v', e->weight_type}, {'e', e->auth}};
    char buffer[TARS_ENDPOINT_TEXT];
    int len = snprintf(buffer, sizeof buffer, "%s -h %s -p %u", transports[e->transport], e->host,
                       e->port);
    for (size_t i = 0; i < sizeof options / sizeof *options; i++)
        if (options[i].value != 0)
            len += snprintf(buffer + len, sizeof buffer - (size_t)len, " -%c %d", options[i].letter,
                            options[i].value);
    if (size) {
        size_t fits = (size_t)len < size ? (size_t)len : size - 1;
        memcpy(text, buffer, fits);
        text[fits] = '\0';
    }
    return (size_t)len;
}

bool tars_endpoint_same_place(const struct tars_endpoint *a, const struct tars_endpoint *b)
{
    return a->transport == b->transport && a->port == b->port && strcmp(a->host, b->host) == 0;
}

/* ---- lists --------------------------------------------------------------------------------------
 */

/* A transport and a blank, with or without blanks before. */
static bool begins_endpoint(struct tars_str s)
{
    enum tars_transport transport;
    s = conf_trim_left(s);
    return s.len > TRANSPORT_LEN && conf_is_blank(s.at[TRANSPORT_LEN]) &&
           parse_transport(tars_str_n(s.at, TRANSPORT_LEN), &transport);
}

/* A ":" that ends a token without another one in it separates; "fe80::" is an address. */
static bool ends_with_separator(struct tars_str s)
{
    size_t colons = 0;
    if (!s.len || s.at[s.len - 1] != ':')
        return false;
    for (size_t i = s.len; i > 0 && !conf_is_blank(s.at[i - 1]); i--)
        colons += s.at[i - 1] == ':';
    return colons == 1;
}

static struct tars_str trim_element(struct tars_str s)
{
    for (s = conf_trim_left(s); s.len && s.at[0] == ':'; s = conf_trim_left(s))
        s = tars_str_n(s.at + 1, s.len - 1);
    while (s.len && (conf_is_blank(s.at[s.len - 1]) || ends_with_separator(s)))
        s.len--;
    return s;
}

bool tars_endpoint_next(struct tars_str *list, struct tars_str *endpoint)
{
    while (list->len) {
        size_t end = 0;
        while (end < list->len &&
               !(list->at[end] == ':' &&
                 begins_endpoint(tars_str_n(list->at + end + 1, list->len - end - 1))))
            end++;
        *endpoint = trim_element(tars_str_n(list->at, end));
        if (end < list->len)
            end++;
        *list = tars_str_n(list->at + end, list->len - end);
        if (endpoint->len)
            return true;
    }
    return false;
}
