# SPDX-License-Identifier: BSD-3-Clause
#
# make            builds everything under build/ and touches nothing else
# make run        installs what is missing, builds, starts the suite on the embedded store
# make test       installs what tests need, builds, runs every test
# make check      clang-format, clang-tidy, cppcheck
# make fuzz       each fuzzer for FUZZ_SECONDS from its corpus
# make bench      the figures of docs/benchmarks.md
# make soak       the long forms of the fault tests
# make install    DESTDIR= PREFIX=/usr/local
# make deps       only installs the Debian packages that building needs
#
# SAN=address,undefined or SAN=thread builds with sanitizers, CC=clang with clang, both into a
# folder of their own. A room is a folder; its .c files are found by themselves. A library is a
# list of rooms; a program is a room with a main.c and the libraries it needs.

PREFIX ?= /usr/local
# how much is built side by side by the targets that build first and then do something else
PARALLEL := $(shell nproc)
VERSION := 0.1.0
ifeq ($(origin CC),default)
CC := gcc
endif

empty :=
comma := ,
VARIANT := $(subst $(comma),-,$(SAN))$(if $(filter clang%,$(notdir $(CC))),$(if $(SAN),-)clang)
BUILD := build$(if $(VARIANT),/$(VARIANT))
OBJ := $(BUILD)/obj
GEN := $(BUILD)/gen
BIN := $(BUILD)/bin
LIB := $(BUILD)/lib

PKGS := libevent libevent_pthreads openssl zlib
DAEMON_PKGS := libmicrohttpd libcurl libcjson sqlite3 libzstd
pkg = $(shell pkg-config $(1) $(2) 2>/dev/null)

WARN := -Wall -Wextra -Wshadow -Wconversion -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith \
        -Wwrite-strings -Wformat=2 -Wvla $(WERROR)
CPPFLAGS += -D_GNU_SOURCE -Iinclude -Icommon -I$(GEN) $(call pkg,--cflags,$(PKGS) $(DAEMON_PKGS)) \
            -DTARSC_VERSION='"$(VERSION)"'
CFLAGS ?= $(if $(FUZZING),-O2,$(if $(SAN),-O1,-O2)) -g
CFLAGS += -std=c11 -fPIC -fno-semantic-interposition -pthread $(WARN) $(if $(SAN),-fsanitize=$(SAN) -fno-omit-frame-pointer -fno-sanitize-recover=undefined)
LDFLAGS += -pthread $(if $(SAN),-fsanitize=$(SAN))
LDLIBS := $(call pkg,--libs,$(PKGS)) -lm
DAEMON_LDLIBS := $(call pkg,--libs,$(DAEMON_PKGS)) $(LDLIBS)

# ---- rooms, libraries, programs -----------------------------------------------------------------

# libtars: what business programs link. What stands further right uses what stands further left.
TARS_ROOMS := base wire conf loop rpc report
# what only our own programs use
DAEMON_ROOMS := http daemon es
IDL_ROOMS := idl
# processes, on base and loop alone: no Tars, and none of the libraries of the daemons
SUPERVISE_ROOMS := supervise
# one server the K8STARS way, on supervise and libtars: what tarscli and tarsc run share
K8STARS_ROOMS := k8stars

DAEMONS := $(notdir $(patsubst %/main.c,%,$(wildcard tarsregistry/main.c tarselasticsearch/main.c tarsc/main.c)))
PROGRAMS := $(if $(wildcard tools/tars2c/*.c),tars2c) $(DAEMONS) tarscli

objects = $(patsubst %.c,$(OBJ)/%.o,$(wildcard $(1)))
PROTOCOL := $(wildcard protocol/*.tars)
GEN_C := $(patsubst protocol/%.tars,$(GEN)/%.c,$(PROTOCOL))
GEN_H := $(GEN_C:.c=.h)
GEN_O := $(patsubst $(GEN)/%.c,$(OBJ)/gen/%.o,$(GEN_C))

BASE_A := $(LIB)/internal/libbase.a
IDL_A := $(LIB)/internal/libidl.a
TARS_A := $(LIB)/internal/libtars.a
COMMON_A := $(LIB)/internal/libcommon.a
SUPERVISE_A := $(LIB)/internal/libsupervise.a
K8STARS_A := $(LIB)/internal/libk8stars.a

BASE_O := $(call objects,common/base/*.c common/wire/*.c)
TARS_O := $(BASE_O) $(foreach r,$(filter-out base wire,$(TARS_ROOMS)),$(call objects,common/$(r)/*.c)) $(GEN_O)
COMMON_O := $(foreach r,$(DAEMON_ROOMS),$(call objects,common/$(r)/*.c))
IDL_O := $(foreach r,$(IDL_ROOMS),$(call objects,common/$(r)/*.c))
SUPERVISE_O := $(foreach r,$(SUPERVISE_ROOMS),$(call objects,common/$(r)/*.c))
K8STARS_O := $(foreach r,$(K8STARS_ROOMS),$(call objects,common/$(r)/*.c))

.DEFAULT_GOAL := all
.PHONY: all
all: $(PROGRAMS:%=$(BIN)/%) $(TARS_A) $(COMMON_A) $(SUPERVISE_A) $(K8STARS_A)

$(BASE_A): $(BASE_O)
$(IDL_A): $(IDL_O)
$(TARS_A): $(TARS_O)
$(COMMON_A): $(COMMON_O)
$(SUPERVISE_A): $(SUPERVISE_O)
$(K8STARS_A): $(K8STARS_O)
$(LIB)/internal/%.a:
	@mkdir -p $(@D)
	@rm -f $@
	@ar rcs $@ $^

$(BIN)/tars2c: $(call objects,tools/tars2c/*.c) $(IDL_A) $(BASE_A)
	@mkdir -p $(@D)
	@echo "  LINK    $@"
	@$(CC) $(LDFLAGS) -o $@ $^ -lm

# tarsc carries the framework's interfaces with it, and reads metadata of servers
LDLIBS_tarsc := -lyaml
EXTRA_tarsc := $(OBJ)/gen/builtin.o $(K8STARS_A)
$(GEN)/builtin.c: $(PROTOCOL) scripts/embed
	@mkdir -p $(@D)
	@scripts/embed $(PROTOCOL) >$@.tmp && mv $@.tmp $@
$(OBJ)/gen/builtin.o: CPPFLAGS += -I.

define daemon_rule
$(BIN)/$(1): $(call objects,$(1)/*.c) $(EXTRA_$(1)) $(SUPERVISE_A) $(COMMON_A) $(IDL_A) $(TARS_A)
	@mkdir -p $$(@D)
	@echo "  LINK    $$@"
	@$$(CC) $$(LDFLAGS) -o $$@ $$^ $$(LDLIBS_$(1)) $$(DAEMON_LDLIBS)
endef
$(foreach d,$(DAEMONS),$(eval $(call daemon_rule,$(d))))

# ---- generated code: protocol/X.tars -> build/gen/X.h, X.c -----------------------------------------

# Modules whose names would clash inside one program get another C prefix.
TARS2C_FLAGS_K8stars := --prefix tars=k8stars
TARS2C_FLAGS_RegistryK8s := --prefix tars=tarsk8s
TARS2C_FLAGS_AdminRegK8s := --prefix tars=tarsk8s_admin
TARS2C_FLAGS_NodeK8s := --prefix tars=tarsk8s_node

$(GEN)/%.h $(GEN)/%.c: protocol/%.tars $(BIN)/tars2c
	@mkdir -p $(@D)
	@echo "  TARS2C  $<"
	@$(BIN)/tars2c -w -I protocol $(TARS2C_FLAGS_$*) -MD $(GEN)/$*.d -o $(GEN) $<

$(OBJ)/gen/%.o: $(GEN)/%.c | $(GEN_H)
	@mkdir -p $(@D)
	@echo "  CC      $<"
	@$(CC) $(CPPFLAGS) $(CFLAGS) -MMD -MP -c -o $@ $<

# Everything but the compiler and what it stands on may include generated headers.
$(filter-out $(BASE_O),$(TARS_O) $(COMMON_O) $(K8STARS_O)) $(foreach d,$(DAEMONS),$(call objects,$(d)/*.c)): | $(GEN_H)

$(OBJ)/%.o: %.c
	@mkdir -p $(@D)
	@echo "  CC      $<"
	@$(CC) $(CPPFLAGS) $(CFLAGS) -MMD -MP -c -o $@ $<

# ---- tests ----------------------------------------------------------------------------------------

# tests/unit/X_test.c and tests/integration/X_test.c are programs of their own (Check); tests/lib is
# what they share; tests/integration/*.sh and tests/interop/*.sh are scripts. tests/run runs them.
TESTKIT_O := $(call objects,tests/lib/*.c)
TEST_C := $(wildcard tests/unit/*_test.c tests/integration/*_test.c)
TEST_BIN := $(patsubst tests/%.c,$(BUILD)/tests/%,$(TEST_C))
TEST_GEN_H := $(patsubst tests/unit/%.tars,$(GEN)/tests/%.h,$(wildcard tests/unit/*.tars))
TEST_GEN_O := $(TEST_GEN_H:$(GEN)/tests/%.h=$(OBJ)/gen/tests/%.o)

$(GEN)/tests/%.h $(GEN)/tests/%.c: tests/unit/%.tars $(BIN)/tars2c
	@mkdir -p $(@D)
	@$(BIN)/tars2c -w -I tests/unit -MD $(GEN)/tests/$*.d -o $(GEN)/tests $<

$(patsubst %.c,$(OBJ)/%.o,$(TEST_C)) $(TESTKIT_O): CPPFLAGS += -I$(GEN)/tests -Itests/lib -I.
$(TEST_GEN_O): CPPFLAGS += -I$(GEN)/tests
$(patsubst %.c,$(OBJ)/%.o,$(TEST_C)) $(TESTKIT_O): | $(GEN_H) $(TEST_GEN_H)
$(BUILD)/tests/%: $(OBJ)/tests/%.o $(TESTKIT_O) $(TEST_GEN_O) $(SUPERVISE_A) $(COMMON_A) $(IDL_A) $(TARS_A)
	@mkdir -p $(@D)
	@echo "  LINK    $@"
	@$(CC) $(LDFLAGS) -o $@ -Wl,--start-group $^ -Wl,--end-group $(call pkg,--libs,check) $(DAEMON_LDLIBS)

.PHONY: tests unit
tests: all $(TEST_BIN)
# only the C unit tests, nothing installed: make unit [T=name]
unit: all $(filter $(BUILD)/tests/unit/%,$(TEST_BIN))
	@BUILD=$(BUILD) tests/run $(sort $(filter $(BUILD)/tests/unit/$(T)%,$(TEST_BIN)))

# all C tests and those of the store under sanitizers: make sanitized SAN=address,undefined or
# SAN=thread (then only the tests of what has threads)
THREADED := integration/% $(addprefix unit/,client_% daemon_% es_% loop_% registry_% report_% server_% spool_%)
SANITIZED := $(if $(filter thread,$(SAN)),$(filter $(THREADED:%=$(BUILD)/tests/%),$(TEST_BIN)),$(TEST_BIN)) \
             $(sort $(wildcard tests/integration/store_*.sh))
.PHONY: sanitized sanitized-build
sanitized-build: $(PROGRAMS:%=$(BIN)/%) $(filter-out %.sh,$(SANITIZED))
sanitized:
	@$(MAKE) --no-print-directory -j$(PARALLEL) sanitized-build
	@BUILD=$(BUILD) tests/run $(SANITIZED)

.PHONY: deps test run
deps:
	@scripts/deps build
test:
	@scripts/deps test
	@$(MAKE) --no-print-directory -j$(PARALLEL) tests
	@BUILD=$(BUILD) tests/run $(TEST_BIN) $(sort $(wildcard tests/integration/*.sh tests/interop/*.sh))
run:
	@scripts/deps build
	@$(MAKE) --no-print-directory all
	@$(BIN)/tarsc up

# ---- looking for faults ------------------------------------------------------------------------------

include $(wildcard mk/*.mk)

.PHONY: help
help:
	@sed -n "3,18s/^# \\{0,1\\}//p" Makefile

.PHONY: clean
clean:
	rm -rf build

-include $(shell find $(OBJ) $(GEN) -name '*.d' 2>/dev/null)
