#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Elasticsearch itself passes the cases that the embedded store passes, tarsregistry and tarsc es work on it, and what
# it acknowledged outlives kill -9. The random searches are always the same here (make test-random: others).
SEED=${SEED:-1} RANDOM_ROUNDS=${RANDOM_ROUNDS:-4} exec "$(dirname "$0")/../store/compare" elasticsearch-8.19.21
