/* SPDX-License-Identifier: BSD-3-Clause */
/* A search as one statement over all its indices. */
#ifndef STORE_SEARCH_SQL_H
#define STORE_SEARCH_SQL_H

#include "query.h"
#include "search_request.h"

/* Appends the statement, without a limit: its rows are the hits in their order, with the index's
 * place in the list, seq, id, version, the sort keys and, where it is shown, the score. The sorts
 * learn their types; one by score is put in where there is none. False with the failure. */
bool search_make_sql(struct search_request *r, struct query *q);
/* Tells what the data file refused; false. */
bool search_sql_failure(struct search_request *r, struct db *db);

#endif
