# SPDX-License-Identifier: BSD-3-Clause
#
# make bench [BENCH_SECONDS=1.5] [BENCH_ROUNDS=5]: what docs/benchmarks.md reports, measured anew. The
# table is printed and written to build/bench/benchmarks.md; bench/run says what is compared and how.
# BENCH_ONLY=supervision needs nothing of the other SDKs.

BENCH := $(BUILD)/bench
BENCH_BIN := $(addprefix $(BENCH)/,load bare fill codec supervise)
BENCH_GEN_O := $(OBJ)/gen/bench/Bench.o

.PHONY: bench bench-store bench-spool

# make bench-store [BENCH_DOCUMENTS=1000000]: the embedded store beside a real Elasticsearch
bench-store:
	@scripts/deps test
	@$(MAKE) --no-print-directory all
	@BENCH_DOCUMENTS=$(BENCH_DOCUMENTS) bench/store $(BUILD)

# make bench-spool: the spool beside raw writes and plain bulk requests
bench-spool:
	@$(MAKE) --no-print-directory all $(BENCH)/spool
	@BENCH_SECONDS=$(BENCH_SECONDS) BENCH_ROUNDS=$(BENCH_ROUNDS) bench/ship $(BUILD)

bench:
	@scripts/deps test
	@$(MAKE) --no-print-directory all $(BENCH_BIN)
	@[ "$(BENCH_ONLY)" ] || tests/interop/prepare node java
	@[ "$(BENCH_ONLY)" ] || bench/prepare $(BENCH)
	@BENCH_ONLY=$(BENCH_ONLY) BENCH_SECONDS=$(BENCH_SECONDS) BENCH_ROUNDS=$(BENCH_ROUNDS) bench/run $(BUILD)

$(GEN)/bench/Bench.h $(GEN)/bench/Bench.c: bench/Bench.tars $(BIN)/tars2c
	@mkdir -p $(@D)
	@$(BIN)/tars2c -I protocol -MD $(GEN)/bench/Bench.d -o $(GEN)/bench $<
$(OBJ)/bench/codec.o $(BENCH_GEN_O): CPPFLAGS += -I$(GEN)/bench
$(OBJ)/bench/codec.o: | $(GEN)/bench/Bench.h
$(OBJ)/bench/fill.o: | $(GEN_H)

$(OBJ)/bench/spool.o: | $(GEN_H)
$(BENCH)/spool: $(OBJ)/bench/spool.o $(COMMON_A) $(TARS_A)
	@mkdir -p $(@D)
	@echo "  LINK    $@"
	@$(CC) $(LDFLAGS) -o $@ $^ $(DAEMON_LDLIBS)
$(BENCH)/codec: $(BENCH_GEN_O)
$(BENCH)/supervise: $(SUPERVISE_A)
$(BENCH)/%: $(OBJ)/bench/%.o $(TARS_A)
	@mkdir -p $(@D)
	@echo "  LINK    $@"
	@$(CC) $(LDFLAGS) -o $@ $(filter %.o,$^) $(filter %/libsupervise.a,$^) $(TARS_A) $(LDLIBS)
