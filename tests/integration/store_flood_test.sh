#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# The store under floods: large and endless bodies, heads that trickle, crowds, answers nobody reads.
set -euo pipefail
cd "$(dirname "$0")/../.."
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
python3 tests/store/flood.py "${BUILD:-build}/bin/tarselasticsearch" "$dir/data"
