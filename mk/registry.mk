# SPDX-License-Identifier: BSD-3-Clause
# Tests of tarsregistry's own files link them, without its main.

REGISTRY_TESTS := $(filter $(BUILD)/tests/unit/registry_% $(BUILD)/tests/integration/registry_clean_test $(BUILD)/tests/integration/registry_query_test $(BUILD)/tests/integration/registry_start_test,$(TEST_BIN))
$(REGISTRY_TESTS): $(filter-out %/main.o,$(call objects,tarsregistry/*.c))

# What sets the date of a daemon under test; never sanitized, as it comes before everything else.
WALL_CLOCK := $(BUILD)/tests/lib/wallclock.so
$(WALL_CLOCK): tests/lib/preload/wallclock.c
	@mkdir -p $(@D)
	@echo "  LINK    $@"
	@$(CC) -D_GNU_SOURCE $(filter-out -fsanitize% -fno-sanitize%,$(CFLAGS)) -fPIC -shared -o $@ $<
$(BUILD)/tests/integration/registry_clock_test: | $(WALL_CLOCK)
