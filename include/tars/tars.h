/* SPDX-License-Identifier: BSD-3-Clause */
/* Everything of libtars; generated headers include what they need by themselves. */
#ifndef TARS_TARS_H
#define TARS_TARS_H

#include <tars/client.h>
#include <tars/conf.h>
#include <tars/endpoint.h>
#include <tars/interface.h>
#include <tars/json.h>
#include <tars/report.h>
#include <tars/server.h>
#include <tars/types.h>
#include <tars/wire.h>

#endif
