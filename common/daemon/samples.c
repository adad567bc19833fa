/* SPDX-License-Identifier: BSD-3-Clause */
#include "daemon/samples.h"

#include <dirent.h>
#include <math.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "base/map.h"
#include "base/xmalloc.h"

struct sample {
    struct sample *next;
    char *labels;
    double value;
};

struct family {
    struct family *next;
    char *name;
    char *help;
    struct sample *first, **last;
};

struct daemon_samples {
    struct map *by_name;
    struct family *first, **last;
};

struct daemon_samples *daemon_samples_new(void)
{
    struct daemon_samples *samples = xcalloc(1, sizeof *samples);
    samples->by_name = map_new(NULL);
    samples->last = &samples->first;
    return samples;
}

static void free_family(struct family *family)
{
    for (struct sample *s = family->first, *next; s; s = next) {
        next = s->next;
        free(s->labels);
        free(s);
    }
    free(family->name);
    free(family->help);
    free(family);
}

void daemon_samples_free(struct daemon_samples *samples)
{
    for (struct family *f = samples->first, *next; f; f = next) {
        next = f->next;
        free_family(f);
    }
    map_free(samples->by_name);
    free(samples);
}

static struct family *family_of(struct daemon_samples *samples, const char *name)
{
    struct family *family = map_get(samples->by_name, tars_str(name));
    if (family)
        return family;
    family = xcalloc(1, sizeof *family);
    family->name = xstrdup(name);
    family->last = &family->first;
    map_put(samples->by_name, tars_str(name), family);
    *samples->last = family;
    samples->last = &family->next;
    return family;
}

void daemon_samples_add(void *user, const char *name, const char *labels, double value)
{
    struct family *family = family_of(user, name);
    struct sample *sample = xcalloc(1, sizeof *sample);
    sample->labels = xstrdup(labels ? labels : "");
    sample->value = value;
    *family->last = sample;
    family->last = &sample->next;
}

void daemon_samples_help(struct daemon_samples *samples, const char *name, const char *help)
{
    struct family *family = family_of(samples, name);
    free(family->help);
    family->help = xstrdup(help);
}

/* ---- the process
 * ------------------------------------------------------------------------------------ */

static double resident_bytes(void)
{
    long pages = 0;
    FILE *file = fopen("/proc/self/statm", "re");
    if (file && fscanf(file, "%*d %ld", &pages) != 1)
        pages = 0;
    if (file)
        fclose(file);
    return (double)pages * (double)sysconf(_SC_PAGESIZE);
}

static double open_files(void)
{
    double count = -3; /* ".", ".." and the folder itself */
    DIR *dir = opendir("/proc/self/fd");
    if (!dir)
        return 0;
    while (readdir(dir))
        count++;
    closedir(dir);
    return count;
}

static double cpu_seconds(void)
{
    struct timespec used;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
    return (double)used.tv_sec + (double)used.tv_nsec / 1e9;
}

void daemon_samples_add_process(struct daemon_samples *samples, const char *program)
{
    char *labels = xasprintf("program=\"%s\",version=\"%s\"", program, TARSC_VERSION);
    daemon_samples_add(samples, "tarsc_build_info", labels, 1);
    daemon_samples_add(samples, "process_resident_memory_bytes", NULL, resident_bytes());
    daemon_samples_add(samples, "process_open_fds", NULL, open_files());
    daemon_samples_add(samples, "process_cpu_seconds_total", NULL, cpu_seconds());
    free(labels);
}

/* ---- text
 * -------------------------------------------------------------------------------------------- */

static void print_value(double value, FILE *out)
{
    if (isnan(value))
        fputs("NaN\n", out);
    else if (isinf(value))
        fputs(value > 0 ? "+Inf\n" : "-Inf\n", out);
    else if (value == floor(value) && fabs(value) < 9e15)
        fprintf(out, "%.0f\n", value);
    else
        fprintf(out, "%.9g\n", value);
}

static bool counts(const char *name)
{
    size_t len = strlen(name);
    return len > 6 && strcmp(name + len - 6, "_total") == 0;
}

void daemon_samples_print(const struct daemon_samples *samples, FILE *out)
{
    for (const struct family *f = samples->first; f; f = f->next) {
        if (!f->first)
            continue;
        if (f->help)
            fprintf(out, "# HELP %s %s\n", f->name, f->help);
        fprintf(out, "# TYPE %s %s\n", f->name, counts(f->name) ? "counter" : "gauge");
        for (const struct sample *s = f->first; s; s = s->next) {
            fprintf(out, "%s%s%s%s ", f->name, *s->labels ? "{" : "", s->labels,
                    *s->labels ? "}" : "");
            print_value(s->value, out);
        }
    }
}
