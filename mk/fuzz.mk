# SPDX-License-Identifier: BSD-3-Clause
#
# make fuzz [F=name] [FUZZ_SECONDS=60]: builds tests/fuzz/X_fuzz.c with clang's libFuzzer and runs
# each from tests/fuzz/corpus/X. What it finds new goes to build/fuzz/corpus/X, inputs that crash to
# build/fuzz/crashes/X-*. The library is built with the same sanitizers into a folder of its own.

FUZZ_SECONDS ?= 60
FUZZERS := $(patsubst tests/fuzz/%_fuzz.c,%,$(wildcard tests/fuzz/$(or $(F),*)_fuzz.c))
# Coverage feedback for the fuzzer everywhere, its main() only where a fuzzer is linked.
FUZZ_FLAGS := -fsanitize=fuzzer-no-link

.PHONY: fuzz fuzz-build fuzzers
fuzz: fuzz-build
	@FUZZ_SECONDS=$(FUZZ_SECONDS) scripts/fuzz $(FUZZERS)
fuzz-build:
	@scripts/deps check
	@$(MAKE) --no-print-directory -j$(PARALLEL) CC=clang SAN=address,undefined VARIANT=fuzz FUZZING=1 fuzzers

ifdef FUZZING
CFLAGS += $(FUZZ_FLAGS)

fuzzers: $(FUZZERS:%=$(BUILD)/tests/fuzz/%)
$(BUILD)/tests/fuzz/%: $(OBJ)/tests/fuzz/%_fuzz.o $(SUPERVISE_A) $(COMMON_A) $(IDL_A) $(TARS_A)
	@mkdir -p $(@D)
	@echo "  LINK    $@"
	@$(CC) $(LDFLAGS) -fsanitize=fuzzer -o $@ $(filter %.o,$^) -Wl,--start-group $(filter %.a,$^) -Wl,--end-group $(DAEMON_LDLIBS)
$(OBJ)/tests/fuzz/%.o: | $(GEN_H)
endif
