# auto/rules.mk - how everything is built; OBJS/Makefile sets the variables and includes this.
#
# Sources are found when make runs, so a new file needs no other edit.  Each object
# directory (objs, objs/asan, objs/fuzz) holds a whole build of its own.

.DEFAULT_GOAL := all
.DELETE_ON_ERROR:
.SUFFIXES:
.SECONDARY:
unexport CC CFLAGS LDFLAGS
.PHONY: all libteleport install demo test test-all unit replay tidy format asan fuzz bench docs docs-check clean help

Q := $(if $(V),,@)
say = $(if $(V),,@printf '  %-5s %s\n' $(1) '$(2)')

# What each kind of source may include: a module sees the installed headers only.
INCLUDE_SRC := -Isrc -Isrc/include -I$(OBJS)
INCLUDE_MODULE := -Isrc/include
COMPILE = $(CC) $(CFLAGS) $(COVERAGE_FLAGS) $(WARNING_FLAGS) -MMD -MP -c -o $@

find_sources = $(sort $(shell find $(1) -name '*.c' 2>/dev/null))
objects_of = $(patsubst %.c,$(OBJS)/%.o,$(1))

program := $(OBJS)/teleport
# What the server is made of, without and with what is only its own; tests use both.
library := $(OBJS)/libcore.a
server := $(OBJS)/libserver.a

main_object := $(OBJS)/src/process/main.o
process_objects := $(filter-out $(main_object),$(call objects_of,$(call find_sources,src/process src/cycle)))
peer_objects := $(call objects_of,$(call find_sources,src/peer)) $(OBJS)/library.o
library_objects := $(call objects_of,$(filter-out src/process/% src/cycle/% src/peer/% src/cli/%,\
	$(call find_sources,src)))
module_sources = $(filter-out $(MODULE_ABSENT_$(1)),$(wildcard $(MODULE_DIR_$(1))/*.c))
# Pages with what belongs to them are a part of the program.
module_files = $(wildcard $(addprefix $(MODULE_DIR_$(1))/,*.html *.css *.js))
module_objects = $(foreach name,$(MODULES),$(patsubst $(MODULE_DIR_$(name))/%.c,\
	$(OBJS)/modules/$(name)/%.o,$(call module_sources,$(name))) \
	$(patsubst $(MODULE_DIR_$(name))/%,$(OBJS)/modules/$(name)/%.o,$(call module_files,$(name))))
server_objects := $(process_objects) $(peer_objects) $(module_objects) $(OBJS)/modules.o

all: $(program) libteleport tp

$(program): $(main_object) $(server) $(library)
	$(call say,LINK,$@)
	$(Q)$(CC) $(CFLAGS) $(LTO_FLAGS) $(LDFLAGS) -o $@ $^ $(LIBS)

# Other programs are linked without: that would cost each of them as long as all the rest.
$(main_object) $(server_objects) $(library_objects): COMPILE += $(LTO_FLAGS)

# Made anew each time: "q" keeps two members of one name, as signal.o of two folders.
$(library): $(library_objects)
$(server): $(server_objects)
$(library) $(server):
	$(call say,AR,$@)
	$(Q)rm -f $@ && $(AR) qcs $@ $^

# The decisions of configure are inputs of every object.
$(OBJS)/%.o: %.c $(OBJS)/Makefile
	$(call say,CC,$<)
	@mkdir -p $(@D)
	$(Q)$(COMPILE) $(INCLUDE_SRC) $<

$(OBJS)/modules.o $(OBJS)/library.o: $(OBJS)/%.o: $(OBJS)/%.c $(OBJS)/Makefile
	$(call say,CC,$<)
	$(Q)$(COMPILE) $(INCLUDE_SRC) $<

define module_rule
$(OBJS)/modules/$(1)/%.o: $(MODULE_DIR_$(1))/%.c $(OBJS)/Makefile
	$$(call say,CC,$$<)
	@mkdir -p $$(@D)
	$$(Q)$$(COMPILE) $$(INCLUDE_MODULE) $$(MODULE_FLAGS_$(1)) $$<

$(OBJS)/modules/$(1)/%.o: $(OBJS)/modules/$(1)/%.c
	$$(Q)$$(COMPILE) $$<

$(OBJS)/modules/$(1)/%.c: $(MODULE_DIR_$(1))/% auto/embed $(OBJS)/Makefile
	$$(call say,EMBED,$$<)
	@mkdir -p $$(@D)
	$$(Q)auto/embed $(1) $$< >$$@
endef
$(foreach name,$(MODULES),$(eval $(call module_rule,$(name))))

# configure runs again when it, or what it reads of the modules, has changed.
configure_inputs := configure $(addprefix auto/,version words options modules probe deps packages \
	features makefile summary) modules $(wildcard modules/*) $(wildcard $(MODULE_SOURCES)) \
	$(foreach folder,$(wildcard modules/*/*),$(wildcard $(folder)/$(notdir $(folder)).c \
	$(folder)/config))
$(OBJS)/configured: $(configure_inputs)
	$(call say,CONF,$(OBJS))
	$(Q)$(CONFIGURE) >$(OBJS)/configure.out || { cat $(OBJS)/configure.out; exit 1; }

$(OBJS)/Makefile: $(OBJS)/configured
	@:

include auto/library.mk
include auto/client.mk
include auto/test.mk
include auto/install.mk

help:
	@echo "make            builds $(program)"
	@echo "make tp         builds the client, $(OBJS)/tp"
	@echo "make libteleport  builds the library alone, static and shared"
	@echo "make install    installs it below $(PREFIX) (DESTDIR is honoured)"
	@echo "make install-libteleport  installs headers and library only"
	@echo "make demo       starts it on conf/teleport.conf and says what to type next"
	@echo "make test       unit tests, the fuzz corpora, system tests"
	@echo "make test-all   the same, and nothing is left out for want of a program"
	@echo "make asan       all of that under AddressSanitizer and UndefinedBehaviorSanitizer"
	@echo "make fuzz       fuzzes each parser for SECONDS=60"
	@echo "make bench      measures beside a bare echo; BENCH=--quick takes a minute, BENCH=--help more"
	@echo "make tidy       checks include arrows, names, log ids and formatting"
	@echo "make format     formats all C sources"
	@echo "make docs       writes docs/reference anew; make docs-check fails where it is stale"
	@echo "make clean      removes what was built"
	@echo "V=1 shows the commands."

# The decisions stay, so that make builds again at once.
clean:
	$(call say,CLEAN,$(OBJS))
	$(Q)find $(OBJS) -mindepth 1 -maxdepth 1 ! -name Makefile ! -name modules.c ! -name library.c ! -name config.h \
		! -name configured ! -name 'configure.*' ! -name probe -exec rm -rf {} +

-include $(shell find $(OBJS) -name '*.d' 2>/dev/null)
