# SPDX-License-Identifier: BSD-3-Clause
# Fuzzers of what tarsc reads: one file of it each, and tests/fuzz/cluster.c in place of access.c.

ifdef FUZZING
TARSC_FUZZERS := $(BUILD)/tests/fuzz/transfer $(BUILD)/tests/fuzz/letters
$(BUILD)/tests/fuzz/transfer: $(OBJ)/tarsc/transfer.o
$(BUILD)/tests/fuzz/letters: $(OBJ)/tarsc/spool.o
$(TARSC_FUZZERS): $(OBJ)/tests/fuzz/cluster.o
$(patsubst %,$(OBJ)/tests/fuzz/%.o,cluster transfer_fuzz letters_fuzz): CPPFLAGS += -I.
endif
