# SPDX-License-Identifier: BSD-3-Clause
#
# make test-elastic    the cases of tests/store, tarsregistry, tarsc es and a kill -9 on the real servers that `make
#                      test` leaves out: Elasticsearch 7.10 and 7.17, OpenSearch 2 and 3, two side by side
# make test-servers    fetches all of them into .cache/servers (ES_CACHE names another folder)
# make test-random     random searches of the embedded store and of Elasticsearch 8 have the same answers:
#                      RANDOM_ROUNDS=20 times 50 of them from SEED

.PHONY: test-elastic test-servers test-random
test-elastic:
	@scripts/deps test
	@$(MAKE) --no-print-directory -j$(PARALLEL) $(patsubst %,$(BUILD)/tests/integration/%_test,registry_daemon registry_purge tarsc_es) all
	@BUILD=$(BUILD) JOBS=2 tests/run $$(tests/store/real list | sed -n '/^elasticsearch-8/!s,^,tests/store/with/,p')
test-random: all
	@scripts/deps test
	@BUILD=$(BUILD) tests/store/compare --random elasticsearch-8.19.21
test-servers:
	@scripts/deps test
	@tests/store/real fetch $$(tests/store/real list)

# The fuzzers of the store read with the daemon's own files.
ifdef FUZZING
$(addprefix $(BUILD)/tests/fuzz/,store_request store_block): $(filter-out $(OBJ)/tarselasticsearch/main.o,$(call objects,tarselasticsearch/*.c))
$(OBJ)/tests/fuzz/store_request_fuzz.o $(OBJ)/tests/fuzz/store_block_fuzz.o: CPPFLAGS += -I. -Itarselasticsearch
endif

# Tests of the store's own files link them, without its main.
STORE_TESTS := $(filter $(BUILD)/tests/unit/store_%,$(TEST_BIN))
$(STORE_TESTS): $(filter-out %/main.o,$(call objects,tarselasticsearch/*.c))
