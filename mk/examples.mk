# SPDX-License-Identifier: BSD-3-Clause
#
# examples/simpleserver, which Dockerfiles and tests take; its objects are built as any program of a user is.

EXAMPLES_GEN := $(GEN)/examples/Hello
SIMPLESERVER := $(BUILD)/examples/simpleserver

all tests: $(SIMPLESERVER)

$(EXAMPLES_GEN).h $(EXAMPLES_GEN).c &: examples/Hello.tars $(BIN)/tars2c
	@mkdir -p $(@D)
	@$(BIN)/tars2c -MD $(EXAMPLES_GEN).d -o $(@D) $<

$(OBJ)/examples/simpleserver/simpleserver.o $(OBJ)/gen/examples/Hello.o: CPPFLAGS += -I$(GEN)/examples
$(OBJ)/examples/simpleserver/simpleserver.o: | $(EXAMPLES_GEN).h
$(SIMPLESERVER): $(OBJ)/examples/simpleserver/simpleserver.o $(OBJ)/gen/examples/Hello.o $(TARS_A)
	@mkdir -p $(@D)
	@echo "  LINK    $@"
	@$(CC) $(LDFLAGS) -o $@ $^ $(LDLIBS)
