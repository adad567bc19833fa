# SPDX-License-Identifier: BSD-3-Clause
# The fuzzer of tarsc's import is linked with that file alone, and is the server itself.

ifdef FUZZING
$(BUILD)/tests/fuzz/transfer: $(OBJ)/tarsc/transfer.o
$(OBJ)/tests/fuzz/transfer_fuzz.o: CPPFLAGS += -I.
endif
