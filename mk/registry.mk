# SPDX-License-Identifier: BSD-3-Clause
# Tests of tarsregistry's own files link them, without its main.

REGISTRY_TESTS := $(filter $(BUILD)/tests/unit/registry_% $(BUILD)/tests/integration/registry_clean_test $(BUILD)/tests/integration/registry_query_test $(BUILD)/tests/integration/registry_start_test,$(TEST_BIN))
$(REGISTRY_TESTS): $(filter-out %/main.o,$(call objects,tarsregistry/*.c))
