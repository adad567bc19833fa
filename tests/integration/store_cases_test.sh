#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# The embedded store answers every case of tests/store as Elasticsearch does.
set -euo pipefail
. "$(dirname "$0")/../store/server"
store_start
python3 "$(dirname "$0")/../store/conformance.py" "http://127.0.0.1:$store_port"
python3 "$(dirname "$0")/../store/conformance.py" "http://127.0.0.1:$store_port" "$(dirname "$0")"/../store/own/*.txt
