# SPDX-License-Identifier: BSD-3-Clause
#
# make test-elastic    the cases of tests/store against a real Elasticsearch (fetched once), random
#                      searches against it and the embedded store (RANDOM_ROUNDS=200: 10,000 of them,
#                      SEED=…), and tarsregistry on it

.PHONY: test-elastic
test-elastic: $(patsubst %,$(BUILD)/tests/integration/registry_%_test,daemon purge) all
	@scripts/deps test
	@BUILD=$(BUILD) tests/store/compare

# The fuzzer of the store reads with the daemon's own files.
ifdef FUZZING
$(BUILD)/tests/fuzz/store_request: $(filter-out $(OBJ)/tarselasticsearch/main.o,$(call objects,tarselasticsearch/*.c))
$(OBJ)/tests/fuzz/store_request_fuzz.o: CPPFLAGS += -I. -Itarselasticsearch
endif

# Tests of the store's own files link them, without its main.
STORE_TESTS := $(filter $(BUILD)/tests/unit/store_%,$(TEST_BIN))
$(STORE_TESTS): $(filter-out %/main.o,$(call objects,tarselasticsearch/*.c))
