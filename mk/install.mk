# SPDX-License-Identifier: BSD-3-Clause
#
# libtars for other programs, and make install. Both forms of the library show the tars_* functions
# and nothing else: the static one is linked into a single object whose other names become local.

SO_VERSION := 0
LIBTARS_A := $(LIB)/libtars.a
LIBTARS_SO := $(LIB)/libtars.so
LIBTARS_SO_FILE := $(LIBTARS_SO).$(VERSION)

all: $(LIBTARS_A) $(LIBTARS_SO)

$(OBJ)/libtars.o: $(TARS_O)
	@mkdir -p $(@D)
	@echo "  LD      $@"
	@ld -r -o $@.all $^
	@objcopy --wildcard --keep-global-symbol='tars_*' $@.all $@
	@rm -f $@.all

$(LIBTARS_A): $(OBJ)/libtars.o
	@mkdir -p $(@D)
	@rm -f $@
	@ar rcs $@ $^

$(LIBTARS_SO_FILE): $(TARS_O) libtars.map
	@mkdir -p $(@D)
	@echo "  LINK    $@"
	@$(CC) $(LDFLAGS) -shared -Wl,-soname,libtars.so.$(SO_VERSION) \
	    -Wl,--version-script=libtars.map $(if $(SAN),,-Wl,-z,defs) -o $@ $(TARS_O) $(LDLIBS)

$(LIBTARS_SO): $(LIBTARS_SO_FILE)
	@ln -sf $(<F) $(LIB)/libtars.so.$(SO_VERSION)
	@ln -sf $(<F) $@

# ---- make install ---------------------------------------------------------------------------------

INSTALL := install
bindir := $(PREFIX)/bin
libdir := $(PREFIX)/lib
includedir := $(PREFIX)/include/tars
protocoldir := $(PREFIX)/share/tarsc/protocol
mandir := $(PREFIX)/share/man
MAN1 := $(wildcard docs/man/*.1)
MAN8 := $(wildcard docs/man/*.8)

$(BUILD)/tarsc.pc: tarsc.pc.in
	@mkdir -p $(@D)
	@sed -e 's|@PREFIX@|$(PREFIX)|' -e 's|@VERSION@|$(VERSION)|' -e 's|@PKGS@|$(PKGS)|' $< > $@

# Written anew each time: it holds PREFIX.
.PHONY: $(BUILD)/tarsc.pc

.PHONY: install
install: all $(BUILD)/tarsc.pc
	$(INSTALL) -d $(DESTDIR)$(bindir) $(DESTDIR)$(libdir)/pkgconfig $(DESTDIR)$(includedir) \
	    $(DESTDIR)$(protocoldir) $(DESTDIR)$(mandir)/man1 $(DESTDIR)$(mandir)/man8
	$(if $(strip $(PROGRAMS)),$(INSTALL) -m 755 $(PROGRAMS:%=$(BIN)/%) $(DESTDIR)$(bindir))
	$(INSTALL) -m 644 include/tars/*.h $(DESTDIR)$(includedir)
	$(INSTALL) -m 644 $(LIBTARS_A) $(DESTDIR)$(libdir)
	$(INSTALL) -m 755 $(LIBTARS_SO_FILE) $(DESTDIR)$(libdir)
	ln -sf libtars.so.$(VERSION) $(DESTDIR)$(libdir)/libtars.so.$(SO_VERSION)
	ln -sf libtars.so.$(VERSION) $(DESTDIR)$(libdir)/libtars.so
	$(INSTALL) -m 644 $(BUILD)/tarsc.pc $(DESTDIR)$(libdir)/pkgconfig
	$(if $(PROTOCOL),$(INSTALL) -m 644 $(PROTOCOL) $(DESTDIR)$(protocoldir))
	$(if $(MAN1),$(INSTALL) -m 644 $(MAN1) $(DESTDIR)$(mandir)/man1)
	$(if $(MAN8),$(INSTALL) -m 644 $(MAN8) $(DESTDIR)$(mandir)/man8)
