# SPDX-License-Identifier: BSD-3-Clause
#
# make soak    the long forms of the fault tests whose short forms are in make test

.PHONY: soak
soak: tests
	@BUILD=$(BUILD) STORE_KILLS=300 TEST_SECONDS=3600 tests/run tests/integration/store_kill_test.sh
	@BUILD=$(BUILD) REGISTRY_KILLS=200 TEST_SECONDS=3600 tests/run $(BUILD)/tests/integration/registry_kill_test
	@BUILD=$(BUILD) HOSTILE_ROUNDS=20 TEST_SECONDS=7200 tests/run $(BUILD)/tests/integration/hostile_test
	@BUILD=$(BUILD) SUPERVISE_KILLS=100 TEST_SECONDS=3600 tests/run $(BUILD)/tests/unit/supervise_survive_test
	@BUILD=$(BUILD) REGISTRY_AWAY_SECONDS=600 TARSCLI_KILLS=100 TEST_SECONDS=3600 tests/run $(BUILD)/tests/integration/tarscli_fault_test
	@BUILD=$(BUILD) SPOOL_KILLS=150 TEST_SECONDS=3600 tests/run $(BUILD)/tests/integration/spool_kill_test
	@BUILD=$(BUILD) NODES_AWAY_SECONDS=600 SPOOL_KILLS=1 TEST_SECONDS=3600 tests/run $(BUILD)/tests/integration/spool_kill_test
	@tests/store/real fetch elasticsearch-8.19.21
	@BUILD=$(BUILD) SPOOL_ELASTICSEARCH=1 SPOOL_KILLS=60 $(BUILD)/tests/integration/spool_kill_test
	@BUILD=$(BUILD) LOSSLESS_ROUNDS=9 TEST_SECONDS=3600 tests/run tests/interop/lossless.sh
