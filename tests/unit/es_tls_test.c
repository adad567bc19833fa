/* SPDX-License-Identifier: BSD-3-Clause */
/* Whom the Elasticsearch client trusts over https: files and fingerprints of authorities, names and
 * dates, against a server that shows certificates made here. */
#include "es/es.h"

#include <check.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "http/pin.h"
#include "loop/loop.h"
#include "peer.h"
#include "testkit.h"

enum { DAY = 24 * 3600 };

/* ---- certificates
 * --------------------------------------------------------------------------------------- */

struct identity {
    X509 *certificate;
    EVP_PKEY *key;
};

static void extend(X509 *certificate, X509 *issuer, int nid, const char *value)
{
    X509V3_CTX ctx;
    X509V3_set_ctx(&ctx, issuer, certificate, NULL, NULL, 0);
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
    ck_assert_ptr_nonnull(extension);
    X509_add_ext(certificate, extension, -1);
    X509_EXTENSION_free(extension);
}

/* `signer` NULL: it signs itself. `names` NULL: an authority. Good from and to so many days from
 * now. */
static struct identity identity(const char *name, const struct identity *signer, const char *names,
                                int from, int to)
{
    static long serial;
    struct identity it = {X509_new(), EVP_EC_gen("P-256")};
    const struct identity *by = signer ? signer : &it;
    X509_set_version(it.certificate, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(it.certificate), ++serial);
    X509_gmtime_adj(X509_getm_notBefore(it.certificate), (long)from * DAY);
    X509_gmtime_adj(X509_getm_notAfter(it.certificate), (long)to * DAY);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(it.certificate), "CN", MBSTRING_ASC,
                               (const unsigned char *)name, -1, -1, 0);
    X509_set_issuer_name(it.certificate, X509_get_subject_name(by->certificate));
    X509_set_pubkey(it.certificate, it.key);
    extend(it.certificate, by->certificate, NID_basic_constraints,
           names ? "critical,CA:FALSE" : "critical,CA:TRUE");
    if (names)
        extend(it.certificate, by->certificate, NID_subject_alt_name, names);
    ck_assert_int_gt(X509_sign(it.certificate, by->key, EVP_sha256()), 0);
    return it;
}

static void forget(struct identity *it)
{
    X509_free(it->certificate);
    EVP_PKEY_free(it->key);
}

/* As `openssl x509 -fingerprint` prints it, or as Elasticsearch does. */
static const char *fingerprint(const struct identity *it, bool as_openssl)
{
    unsigned char sum[EVP_MAX_MD_SIZE];
    unsigned int len;
    char text[3 * EVP_MAX_MD_SIZE + 1] = "", *to = text;
    X509_digest(it->certificate, EVP_sha256(), sum, &len);
    for (unsigned i = 0; i < len; i++)
        to += sprintf(to, as_openssl ? "%s%02X" : "%.0s%02x", i ? ":" : "", sum[i]);
    return tk_text("%s", text);
}

static const char *file_of(const struct identity *it)
{
    const char *path = tk_text("%s/ca.pem", tk_dir());
    FILE *out = fopen(path, "we");
    PEM_write_X509(out, it->certificate);
    fclose(out);
    return path;
}

/* ---- the server and its client
 * ------------------------------------------------------------------ */

static const char hello[] = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
                            "Content-Length: 34\r\n\r\n{\"version\":{\"number\":\"8.19.21\"}}  ";

static void serve(void *user, int fd, unsigned nth)
{
    char request[4096];
    SSL *ssl = SSL_new(user);
    (void)nth;
    SSL_set_fd(ssl, fd);
    if (SSL_accept(ssl) == 1)
        while (SSL_read(ssl, request, sizeof request) > 0)
            SSL_write(ssl, hello, (int)strlen(hello));
    SSL_free(ssl);
}

static void on_end(void *user, const struct es_result *r)
{
    (void)r;
    atomic_store((_Atomic bool *)user, true);
}

static void free_client(void *client)
{
    es_client_free(client);
}

/* What the client says of a server that shows `it` and `beside` (or nothing); "" when it is content
 * with it. */
static const char *opinion(const struct identity *it, const struct identity *beside,
                           const char *file, const char *print)
{
    struct tars_error error;
    struct es_stats stats;
    _Atomic bool ended = false;
    SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
    ck_assert_int_eq(SSL_CTX_use_certificate(ctx, it->certificate), 1);
    ck_assert_int_eq(SSL_CTX_use_PrivateKey(ctx, it->key), 1);
    if (beside)
        SSL_CTX_add1_chain_cert(ctx, beside->certificate);
    struct peer *peer = peer_start(serve, ctx);
    struct loop *loop = loop_new("es");
    struct es_options options = {.nodes = tk_text("127.0.0.1:%u", peer_port(peer)),
                                 .https = true,
                                 .ca_file = file,
                                 .ca_fingerprint = print};
    struct es_client *client = es_client_new(loop, &options, &error);
    ck_assert_msg(client != NULL, "%s", error.text);
    ck_assert(loop_start(loop, &error));
    es_health(client, 20000, on_end, (void *)&ended);
    ck_assert(tk_eventually((es_client_stats(client, &stats), stats.ready || stats.last_problem[0]),
                            20000));
    loop_call_wait(loop, free_client, client);
    ck_assert(ended);
    loop_free(loop);
    peer_stop(peer);
    SSL_CTX_free(ctx);
    return stats.ready ? "" : tk_text("%s", stats.last_problem);
}

#define trusts(...)                                                                                \
    do {                                                                                           \
        const char *says_ = opinion(__VA_ARGS__);                                                  \
        ck_assert_str_eq(says_, "");                                                               \
    } while (0)

#define objects(text_, ...)                                                                        \
    do {                                                                                           \
        const char *says_ = opinion(__VA_ARGS__);                                                  \
        ck_assert_msg(strstr(says_, text_), "'%s' does not say '%s'", says_, text_);               \
        ck_assert_msg(strstr(says_, "https://127.0.0.1:"), "'%s' names no node", says_);           \
    } while (0)

static const char here[] = "IP:127.0.0.1,DNS:localhost", elsewhere[] = "IP:192.0.2.1,DNS:es1";

/* ---- tests
 * ------------------------------------------------------------------------------------------------
 */

START_TEST(an_authority_is_known_by_its_file)
{
    struct identity ca = identity("ca", NULL, NULL, -2, 2),
                    other = identity("o", NULL, NULL, -2, 2),
                    good = identity("good", &ca, here, -1, 1),
                    late = identity("late", &ca, here, -2, -1),
                    early = identity("early", &ca, here, 1, 2),
                    away = identity("away", &ca, elsewhere, -1, 1);
    const char *file = file_of(&ca);
    trusts(&good, NULL, file, NULL);
    objects("unable to get local issuer certificate", &good, NULL, file_of(&other), NULL);
    objects("unable to get local issuer certificate", &good, NULL, NULL, NULL);
    objects("certificate has expired", &late, NULL, file, NULL);
    objects("certificate is not yet valid", &early, NULL, file, NULL);
    objects("no alternative certificate subject name matches", &away, NULL, file, NULL);
    objects("error setting certificate", &good, NULL, "/no/such/file", NULL);
    forget(&ca), forget(&other), forget(&good), forget(&late), forget(&early), forget(&away);
}
END_TEST

START_TEST(one_certificate_is_known_by_its_fingerprint)
{
    struct identity ca = identity("ca", NULL, NULL, -2, 2),
                    other = identity("o", NULL, NULL, -2, 2),
                    good = identity("good", &ca, here, -1, 1),
                    own = identity("own", NULL, here, -1, 1);
    const char *print = fingerprint(&ca, false);
    trusts(&good, &ca, NULL, print);
    trusts(&good, &ca, NULL, fingerprint(&ca, true));
    trusts(&good, NULL, NULL, fingerprint(&good, false));
    trusts(&own, NULL, NULL, fingerprint(&own, true));
    objects("shows no certificate with the fingerprint", &good, &ca, NULL,
            fingerprint(&other, false));
    objects("shows no certificate with the fingerprint", &good, NULL, NULL, print);
    objects("shows no certificate with the fingerprint", &own, NULL, NULL, print);
    forget(&ca), forget(&other), forget(&good), forget(&own);
}
END_TEST

/* The authority's certificate is no secret: who shows it beside his own has proved nothing. */
START_TEST(to_show_the_right_certificate_is_not_enough)
{
    struct identity ca = identity("ca", NULL, NULL, -2, 2),
                    twin = identity("ca", NULL, NULL, -2, 2),
                    own = identity("own", NULL, here, -1, 1),
                    stranger = identity("good", &twin, here, -1, 1),
                    good = identity("good", &ca, here, -1, 1),
                    under = identity("under", &good, here, -1, 1);
    const char *print = fingerprint(&ca, false);
    objects("certificate problem", &own, &ca, NULL, print);
    objects("certificate problem", &stranger, &ca, NULL, print);
    objects("certificate problem", &under, &good, NULL, fingerprint(&good, false));
    forget(&ca), forget(&twin), forget(&own), forget(&stranger), forget(&good), forget(&under);
}
END_TEST

START_TEST(names_and_dates_count_with_a_fingerprint_too)
{
    struct identity ca = identity("ca", NULL, NULL, -2, 2),
                    old = identity("old", NULL, NULL, -2, -1),
                    late = identity("late", &ca, here, -2, -1),
                    away = identity("away", &ca, elsewhere, -1, 1),
                    under = identity("under", &old, here, -1, 1);
    const char *print = fingerprint(&ca, false);
    objects("certificate has expired", &late, &ca, NULL, print);
    objects("certificate has expired", &late, NULL, NULL, fingerprint(&late, false));
    objects("certificate has expired", &under, &old, NULL, fingerprint(&old, false));
    objects("no alternative certificate subject name matches", &away, &ca, NULL, print);
    forget(&ca), forget(&old), forget(&late), forget(&away), forget(&under);
}
END_TEST

#define HEX62 "00112233445566778899aabbccddeeff00112233445566778899AABBCCDDEE"

START_TEST(what_is_no_fingerprint_is_refused)
{
    static const char *const wrong[] = {
        "0",
        ":",
        HEX62,
        HEX62 "f",
        HEX62 "ff0",
        HEX62 ":ff",
        HEX62 "fg",
        HEX62 "ff ",
        " " HEX62 "ff",
        HEX62 "-f",
        HEX62 "f\n",
        "\xff" HEX62 "f",
        "00:112233445566778899aabbccddeeff00112233445566778899AABBCCDDEEff",
        "sha256 Fingerprint=" HEX62 "ff"};
    struct loop *loop = loop_new("es");
    struct tars_error error;
    unsigned char pin[PIN_SIZE];
    ck_assert(pin_read(HEX62 "fF", pin));
    ck_assert(pin[1] == 0x11 && pin[26] == 0xaa && pin[31] == 0xff);
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct es_options options = {.nodes = "a:80", .https = true, .ca_fingerprint = wrong[i]};
        ck_assert_msg(!es_client_new(loop, &options, &error), "%s", wrong[i]);
        ck_assert_msg(strstr(error.text, "64 hexadecimal digits"), "%s", error.text);
    }
    struct es_options plain = {.nodes = "a:80", .ca_fingerprint = HEX62 "ff"};
    ck_assert(!es_client_new(loop, &plain, &error));
    ck_assert_msg(strstr(error.text, "https"), "%s", error.text);
    plain.https = true;
    plain.ca_file = "/ca.pem";
    ck_assert(!es_client_new(loop, &plain, &error));
    ck_assert_msg(strstr(error.text, "both"), "%s", error.text);
    loop_free(loop);
}
END_TEST

int main(void)
{
    signal(SIGPIPE, SIG_IGN);
    Suite *suite = suite_create("es_tls");
    TCase *tc = tcase_create("es_tls");
    tcase_add_test(tc, an_authority_is_known_by_its_file);
    tcase_add_test(tc, one_certificate_is_known_by_its_fingerprint);
    tcase_add_test(tc, to_show_the_right_certificate_is_not_enough);
    tcase_add_test(tc, names_and_dates_count_with_a_fingerprint_too);
    tcase_add_test(tc, what_is_no_fingerprint_is_refused);
    suite_add_tcase(suite, tc);
    return tk_main(suite);
}
