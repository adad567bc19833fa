#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# kill -9 of the store while it is written to loses nothing that was acknowledged (STORE_KILLS: how often).
exec python3 "$(dirname "$0")/../store/killing.py" "${BUILD:-build}/bin/tarselasticsearch" "${STORE_KILLS:-30}"
