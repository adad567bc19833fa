/* SPDX-License-Identifier: BSD-3-Clause */
/* Any bytes as what a supervisor reads: its own records, /proc/PID/stat, /proc/net/udp. */
#include <stdlib.h>

#include "supervise/probe.h"
#include "supervise/proc.h"
#include "supervise/record.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

static void check_record(const char *text)
{
    struct sup_record record;
    if (!sup_record_parse(text, &record))
        return;
    if (record.pid < 0 || record.pid > INT32_MAX || record.crashes < 0 || record.setting > 1 ||
        !memchr(record.boot, '\0', sizeof record.boot) ||
        !memchr(record.mark, '\0', sizeof record.mark))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    static const unsigned char address[16] = {127, 0, 0, 1};
    struct sup_proc proc;
    char *text = malloc(len + 1);
    memcpy(text, bytes, len);
    text[len] = '\0';
    check_record(text);
    sup_proc_parse(text, &proc);
    sup_udp_is_bound(text, address, 4, 8080);
    sup_udp_is_bound(text, address, 16, 8080);
    free(text);
    return 0;
}
