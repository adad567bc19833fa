/* SPDX-License-Identifier: BSD-3-Clause */
/* The HTTP answer to a call. On MHD's thread. */
#ifndef STORE_CALL_ANSWER_H
#define STORE_CALL_ANSWER_H

#include "call.h"

/* Sends request.answer, which it takes. */
enum MHD_Result call_send_answer(struct call *call);
/* Sends why the call is not served at all: 400, 401, 406, 413, 429 or 503. */
enum MHD_Result call_refuse(struct call *call, int status);

#endif
