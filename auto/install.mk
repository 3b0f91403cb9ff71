# auto/install.mk - what leaves the object directory: install, demo, the generated manual.

.PHONY: install-libteleport install-tp

INSTALL_SHARE := $(PREFIX)/share/doc/teleport
INSTALL_INCLUDE := $(PREFIX)/include/teleport
INSTALL_LIB := $(PREFIX)/lib
INSTALL_UNIT := $(PREFIX)/lib/systemd/system
INSTALL_BIN := $(PREFIX)/bin
INSTALL_MAN := $(PREFIX)/share/man/man1
reference := directives logs counters reasons awaiting variables hooks protocols
to = $(DESTDIR)$(1)

install: $(program) install-libteleport install-tp
	@echo "Installing below $(DESTDIR)$(PREFIX)"
	$(Q)install -d $(call to,$(dir $(SBIN_PATH))) $(call to,$(dir $(CONF_PATH))examples) \
		$(call to,$(PREFIX)/logs) $(call to,$(INSTALL_SHARE)) $(call to,$(INSTALL_UNIT))
	$(Q)install -m 755 $(program) $(call to,$(SBIN_PATH)).new
	$(Q)mv -f $(call to,$(SBIN_PATH)).new $(call to,$(SBIN_PATH))
	$(Q)install -m 644 conf/teleport.conf $(call to,$(CONF_PATH)).default
	$(Q)test -e $(call to,$(CONF_PATH)) || cp $(call to,$(CONF_PATH)).default $(call to,$(CONF_PATH))
	$(Q)for file in conf/examples/*; do \
		test ! -e "$$file" || cp -RL "$$file" $(call to,$(dir $(CONF_PATH))examples); done
	$(Q)for file in README.md CHANGES.md LICENSE docs; do \
		test ! -e "$$file" || cp -R "$$file" $(call to,$(INSTALL_SHARE)); done
	$(Q)sed -e 's|@SBIN_PATH@|$(SBIN_PATH)|g' -e 's|@CONF_PATH@|$(CONF_PATH)|g' \
		-e 's|@PREFIX@|$(PREFIX)|g' auto/teleport.service \
		>$(call to,$(INSTALL_UNIT)/teleport.service)
	@echo "Start it with:   $(SBIN_PATH)"
	@echo "or by systemd:   systemctl enable --now $(INSTALL_UNIT)/teleport.service"

# Headers, both libraries, and what pkg-config is to say of them.
install-libteleport: libteleport
	$(Q)install -d $(call to,$(INSTALL_INCLUDE)) $(call to,$(INSTALL_LIB)/pkgconfig)
	$(Q)install -m 644 src/include/teleport/*.h $(call to,$(INSTALL_INCLUDE))
	$(Q)install -m 644 $(static_libteleport) $(call to,$(INSTALL_LIB))
	$(Q)install -m 755 $(shared_libteleport) $(call to,$(INSTALL_LIB))
	$(Q)ln -sf $(notdir $(shared_libteleport)) $(call to,$(INSTALL_LIB)/$(library_soname))
	$(Q)ln -sf $(library_soname) $(call to,$(INSTALL_LIB)/libteleport.so)
	$(Q)sed -e 's|@PREFIX@|$(PREFIX)|g' -e 's|@VERSION@|$(VERSION)|g' \
		-e 's|@LIBS@|$(LIBRARY_LIBS)|g' auto/teleport.pc \
		>$(call to,$(INSTALL_LIB)/pkgconfig/teleport.pc)

# The client, and its manual page.
install-tp: $(client)
	$(Q)install -d $(call to,$(INSTALL_BIN)) $(call to,$(INSTALL_MAN))
	$(Q)install -m 755 $(client) $(call to,$(INSTALL_BIN)/tp).new
	$(Q)mv -f $(call to,$(INSTALL_BIN)/tp).new $(call to,$(INSTALL_BIN)/tp)
	$(Q)$(client) help man >$(OBJS)/tp.1
	$(Q)install -m 644 $(OBJS)/tp.1 $(call to,$(INSTALL_MAN))

demo: $(program) $(client)
	$(Q)auto/demo $(OBJS)

# Pages of the server, then the client's two: what its tables say, in two forms.
docs: $(program) $(client)
	@mkdir -p docs/reference
	$(Q)for page in $(reference); do \
		$(program) -h $$page >$(OBJS)/page || exit 1; \
		cp $(OBJS)/page docs/reference/$$page.md; done
	$(Q)auto/headers >$(OBJS)/page
	$(Q)cp $(OBJS)/page docs/reference/library.md
	$(Q)$(client) help markdown >docs/reference/tp.md
	$(Q)$(client) help man >docs/reference/tp.1

docs-check: $(program) $(client)
	$(Q)for page in $(reference); do \
		$(program) -h $$page >$(OBJS)/page || exit 1; \
		diff -u docs/reference/$$page.md $(OBJS)/page || { \
			echo "docs/reference/$$page.md is stale: run make docs"; exit 1; }; done
	$(Q)auto/headers | diff -u docs/reference/library.md - || { \
		echo "docs/reference/library.md is stale: run make docs"; exit 1; }
	$(Q)for page in markdown:tp.md man:tp.1; do \
		$(client) help $${page%:*} >$(OBJS)/page || exit 1; \
		diff -u docs/reference/$${page#*:} $(OBJS)/page || { \
			echo "docs/reference/$${page#*:} is stale: run make docs"; exit 1; }; done
	@echo "docs/reference is what the tables say."
