/* SPDX-License-Identifier: BSD-3-Clause */
/* Any bytes as an object reference with a list of endpoints: what parses prints and parses again.
 */
#include <stdlib.h>

#include <tars/endpoint.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

static void check(struct tars_str text)
{
    char printed[TARS_ENDPOINT_TEXT];
    struct tars_endpoint e, again;
    if (!tars_endpoint_parse(text, &e, NULL))
        return;
    size_t len = tars_endpoint_print(&e, printed, sizeof printed);
    if (len >= sizeof printed || !tars_endpoint_parse(tars_str(printed), &again, NULL) ||
        !tars_endpoint_same_place(&e, &again))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    struct tars_object object;
    struct tars_error error;
    struct tars_str list = tars_str_n(bytes, len), element;
    if (tars_object_parse(list, &object, &error))
        list = object.endpoints;
    while (tars_endpoint_next(&list, &element))
        check(element);
    return 0;
}
