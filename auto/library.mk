# auto/library.mk - libteleport: what a program links, static and shared.
#
# Its objects can be loaded anywhere (-fPIC) and stand apart, so that the server's do not pay
# for that.  What the shared one exports stands in auto/libteleport.map.

library_soname := libteleport.so.0
static_libteleport := $(OBJS)/libteleport.a
shared_libteleport := $(OBJS)/libteleport.so.$(VERSION)

pic := $(OBJS)/pic
pic_sources := $(call find_sources,$(addprefix src/,base os packet format event net share metrics server session peer))
pic_module_objects := $(foreach name,$(LIBRARY_MODULES),$(patsubst $(MODULE_DIR_$(name))/%.c,\
	$(pic)/modules/$(name)/%.o,$(wildcard $(MODULE_DIR_$(name))/*.c)))
pic_objects := $(patsubst %.c,$(pic)/%.o,$(pic_sources)) $(pic)/library.o $(pic_module_objects)

# A sanitizer's own symbols come with the program.
comma := ,
no_undefined := $(if $(findstring -fsanitize,$(CFLAGS)),,-Wl$(comma)-z$(comma)defs)

libteleport: $(static_libteleport) $(OBJS)/libteleport.so

$(static_libteleport): $(pic_objects)
	$(call say,AR,$@)
	$(Q)rm -f $@ && $(AR) qcs $@ $^

$(shared_libteleport): $(pic_objects) auto/libteleport.map
	$(call say,LINK,$@)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -shared -Wl,-soname,$(library_soname) $(no_undefined) \
		-Wl,-Bsymbolic-functions -Wl,--version-script=auto/libteleport.map -o $@ $(pic_objects) \
		$(LIBRARY_LIBS)

$(OBJS)/libteleport.so: $(shared_libteleport)
	$(Q)ln -sf $(notdir $<) $(OBJS)/$(library_soname)
	$(Q)ln -sf $(library_soname) $@

$(pic)/src/%.o: src/%.c $(OBJS)/Makefile
	$(call say,PIC,$<)
	@mkdir -p $(@D)
	$(Q)$(COMPILE) -fPIC $(INCLUDE_SRC) $<

$(pic)/library.o: $(OBJS)/library.c $(OBJS)/Makefile
	$(call say,PIC,$<)
	@mkdir -p $(@D)
	$(Q)$(COMPILE) -fPIC $(INCLUDE_SRC) $<

define pic_module_rule
$(pic)/modules/$(1)/%.o: $(MODULE_DIR_$(1))/%.c $(OBJS)/Makefile
	$$(call say,PIC,$$<)
	@mkdir -p $$(@D)
	$$(Q)$$(COMPILE) -fPIC $$(INCLUDE_MODULE) $$<
endef
$(foreach name,$(LIBRARY_MODULES),$(eval $(call pic_module_rule,$(name))))
