/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How commands of tarsc reach Elasticsearch: the same settings as the daemons', from options and
 * from the environment (TARS_ELK_…), never a secret from the command line. One request at a time,
 * each waited for.
 */
#ifndef TARSC_ACCESS_H
#define TARSC_ACCESS_H

#include <getopt.h>

#include "es/bulk.h"
#include "es/es.h"

struct access;

/* What the options say; NULL: the environment, else a default. */
struct access_options {
    const char *nodes, *user, *password_file, *api_key_file, *ca_file, *ca_fingerprint;
    bool https;
    int timeout_ms; /* of one request, 0: 30000 */
};

enum {
    ACCESS_FIRST = 'A' << 8,
    ACCESS_NODES = ACCESS_FIRST,
    ACCESS_HTTPS,
    ACCESS_USER,
    ACCESS_PASSWORD_FILE,
    ACCESS_API_KEY_FILE,
    ACCESS_CA_FILE,
    ACCESS_CA_FINGERPRINT,
    ACCESS_TIMEOUT,
    ACCESS_END
};

/* For the option tables of the commands. */
/* clang-format off */
#define ACCESS_LONG_OPTIONS                                                                        \
    {"nodes", required_argument, NULL, ACCESS_NODES}, {"https", no_argument, NULL, ACCESS_HTTPS},  \
    {"user", required_argument, NULL, ACCESS_USER},                                                \
    {"password-file", required_argument, NULL, ACCESS_PASSWORD_FILE},                              \
    {"api-key-file", required_argument, NULL, ACCESS_API_KEY_FILE},                                \
    {"ca-file", required_argument, NULL, ACCESS_CA_FILE},                                          \
    {"ca-fingerprint", required_argument, NULL, ACCESS_CA_FINGERPRINT},                            \
    {"timeout", required_argument, NULL, ACCESS_TIMEOUT}
/* clang-format on */
extern const char access_usage[];

/* Takes an option of the table above; false when its value is wrong. */
bool access_option(struct access_options *options, int option, const char *value);

/* NULL with the reason. To be closed. */
struct access *access_open(const struct access_options *options, struct tars_error *error);
void access_close(struct access *access);
/* "Elasticsearch 8.19.21 at 127.0.0.1:9200" once a request has been answered. */
const char *access_server(struct access *access);
const char *access_nodes(const struct access *access);

struct access_answer {
    enum es_status status;
    int http;
    cJSON *body; /* of the answer, or NULL */
    char *text;  /* as it came, NULL unless asked for */
    size_t len;
    struct tars_error error;
};
void access_answer_free(struct access_answer *answer);

/* `path` is percent-encoded and is freed, `body` is taken. True for ES_OK. */
bool access_ask(struct access *access, const char *method, char *path, cJSON *body,
                struct access_answer *answer);

struct access_item {
    int http;
    char error[300]; /* "type: reason" */
};
/* Sends and frees a bulk that may be sent twice; fills `items`, one for each. */
bool access_bulk(struct access *access, struct es_bulk *bulk, struct access_item *items,
                 struct tars_error *error);

#endif
