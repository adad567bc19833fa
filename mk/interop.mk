# SPDX-License-Identifier: BSD-3-Clause
#
# The C peers of tests/interop: each file of tests/interop/c is a program, all of them speak
# tests/interop/AllTypes.tars.
#
# make test-peers    installs the other SDKs and clients that tests speak with

INTEROP_GEN := $(GEN)/interop/AllTypes
INTEROP_C := $(wildcard tests/interop/c/*.c)
INTEROP_BIN := $(patsubst tests/interop/c/%.c,$(BUILD)/tests/interop/%,$(INTEROP_C))

tests: $(INTEROP_BIN)

$(INTEROP_GEN).h $(INTEROP_GEN).c &: tests/interop/AllTypes.tars $(BIN)/tars2c
	@mkdir -p $(@D)
	@# what other languages would read differently is what the tests are about: no warnings
	@$(BIN)/tars2c -MD $(INTEROP_GEN).d -o $(@D) $< 2>$(INTEROP_GEN).log || { cat $(INTEROP_GEN).log; exit 1; }

$(INTEROP_C:%.c=$(OBJ)/%.o): CPPFLAGS += -I$(GEN)/interop
$(INTEROP_C:%.c=$(OBJ)/%.o): | $(GEN_H) $(INTEROP_GEN).h
$(INTEROP_BIN): $(BUILD)/tests/interop/%: $(OBJ)/tests/interop/c/%.o $(OBJ)/gen/interop/AllTypes.o $(TARS_A)
	@mkdir -p $(@D)
	@echo "  LINK    $@"
	@$(CC) $(LDFLAGS) -o $@ $^ $(LDLIBS)

.PHONY: test-peers test-sdks test-clients
test-peers: test-sdks test-clients
test-sdks:
	@tests/interop/prepare node java go python hello-java
test-clients:
	@tests/store/clients/prepare python node java
