# SPDX-License-Identifier: BSD-3-Clause
#
# tarscli runs in images that have nothing but a server: one executable without shared libraries,
# with common/dns in front of libtars. Under sanitizers, which cannot be linked so, it is an ordinary
# program.

TARSCLI_O := $(call objects,tarscli/*.c)
TARSCLI_LDLIBS := -lyaml $(LDLIBS)
TARSCLI_STATIC := $(if $(SAN),,-static -s -Wl$(comma)--gc-sections$(comma)--wrap=dlopen)
TARSCLI_LEAVE := $(if $(SAN),%/nss.o)

$(TARSCLI_O): | $(GEN_H)
$(BIN)/tarscli: $(TARSCLI_O) $(DNS_O) $(K8STARS_A) $(SUPERVISE_A) $(TARS_A)
	@mkdir -p $(@D)
	@echo "  LINK    $@"
	@$(CC) $(LDFLAGS) $(TARSCLI_STATIC) -o $@ $(filter-out $(TARSCLI_LEAVE),$^) $(TARSCLI_LDLIBS)

# Tests of tarscli's own files link them, without its main and what only static programs need.
TARSCLI_TESTS := $(filter $(BUILD)/tests/unit/tarscli_%,$(TEST_BIN))
$(TARSCLI_TESTS): $(filter-out %/main.o %/nss.o,$(TARSCLI_O)) $(K8STARS_A)
$(TARSCLI_TESTS): DAEMON_LDLIBS += -lyaml

ifdef FUZZING
$(BUILD)/tests/fuzz/tarscli_meta: $(K8STARS_A)
$(OBJ)/tests/fuzz/tarscli_meta_fuzz.o: CPPFLAGS += -I.
$(BUILD)/tests/fuzz/tarscli_meta: DAEMON_LDLIBS += -lyaml
endif
