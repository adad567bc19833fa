/* SPDX-License-Identifier: BSD-3-Clause */
#include "rows.h"

#include <stdio.h>
#include <stdlib.h>

/* Splits at exactly three tabs; the last column may be empty. */
static bool parse_row(char *line, struct row *row)
{
    char **columns[] = {&row->name, &row->kind, &row->text, &row->hex};
    line[strcspn(line, "\r\n")] = '\0';
    for (size_t i = 0; i < 4; i++) {
        if (!line)
            return false;
        *columns[i] = strsep(&line, "\t");
    }
    return true;
}

size_t rows_each(const char *kind, void (*each)(const struct row *row))
{
    FILE *file = fopen("tests/vectors.tsv", "re");
    char *line = NULL;
    size_t room = 0, count = 0;
    if (!file) {
        perror("tests/vectors.tsv (run tests in the project's root)");
        abort();
    }
    while (getline(&line, &room, file) > 0) {
        struct row row = {0};
        if (!parse_row(line, &row) || strcmp(row.kind, kind) != 0)
            continue;
        row.value = cJSON_Parse(row.text);
        if (!row.value) {
            fprintf(stderr, "tests/vectors.tsv: %s is no JSON\n", row.name);
            abort();
        }
        each(&row);
        cJSON_Delete(row.value);
        count++;
    }
    free(line);
    fclose(file);
    return count;
}

const char *row_text(const struct row *row, const char *member)
{
    return cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(row->value, member));
}

double row_number(const struct row *row, const char *member, double fallback)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(row->value, member);
    return cJSON_IsNumber(item) ? item->valuedouble : fallback;
}
