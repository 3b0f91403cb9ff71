# auto/test.mk - everything that checks: unit tests, fuzz corpora, system tests, tidy.

# Tests of a module have its name (tests/unit/KIND/NAME.c, tests/fuzz/NAME.c), and are left
# out with it.
module_folders := $(patsubst %/,%,$(dir $(MODULE_SOURCES)))
absent_folders := $(filter-out $(foreach name,$(MODULES),$(MODULE_DIR_$(name))),$(module_folders))
absent_suites := $(patsubst modules/%,tests/unit/%.c,$(absent_folders))

unit_sources := $(filter-out $(absent_suites),$(call find_sources,tests/unit))
# tests/unit/FOLDER/NAME.c defines tp_suite_FOLDER_NAME(); files in tests/unit itself help them.
suite_sources := $(filter-out $(absent_suites),$(wildcard tests/unit/*/*.c))
suites := $(subst /,_,$(patsubst tests/unit/%.c,tp_suite_%,$(suite_sources)))
unit_main := $(OBJS)/tests/unit/main
unit_program := $(OBJS)/tests/unit/run

fuzz_names := $(filter-out replay $(notdir $(absent_folders)),$(basename $(notdir $(wildcard tests/fuzz/*.c))))
replay_programs := $(patsubst %,$(OBJS)/tests/fuzz/%.replay,$(fuzz_names))
fuzz_programs := $(patsubst %,$(OBJS)/tests/fuzz/%.fuzz,$(fuzz_names))

test: test-needs $(program) $(client) $(unit_program) $(replay_programs)
	$(Q)auto/test $(abspath $(OBJS)) unit replay system

# Tests that need these are left out of `make test` where they are not there.
test_programs := chromium promtool redis-server

test-all: test-all-needs test

unit: test-needs $(unit_program)
	$(Q)auto/test $(abspath $(OBJS)) unit

replay: $(replay_programs)
	$(Q)auto/test $(abspath $(OBJS)) replay

.PHONY: test-needs test-all-needs fuzz-programs always

test-all-needs:
	@for program in $(test_programs); do command -v $$program >/dev/null || { \
		echo "There is no $$program: ./configure --install-deps=all"; exit 1; }; done

test-needs:
	@test -n "$(CHECK_LIBS)" || { \
		echo "The unit tests need Check: ./configure --install-deps (Debian: check)."; exit 1; }
	@auto/python -c '' || exit 1

# A suite is called from the generated main() alone, so no header declares it.
$(OBJS)/tests/unit/%.o: WARNING_FLAGS += -Wno-missing-prototypes
$(OBJS)/tests/unit/%.o: INCLUDE_SRC += -Itests/unit

$(unit_program): $(call objects_of,$(unit_sources)) $(unit_main).o $(client_parts) $(server) $(library)
	$(call say,LINK,$@)
	$(Q)$(CC) $(CFLAGS) -fno-lto $(LDFLAGS) -o $@ $^ $(LIBS) $(CHECK_LIBS)

$(unit_main).o: $(unit_main).c
	$(Q)$(COMPILE) $(INCLUDE_SRC) $<

$(unit_main).c: always
	@mkdir -p $(@D)
	@auto/unit-main $(suites) >$@.new
	@if cmp -s $@.new $@; then rm $@.new; else mv $@.new $@; fi

$(OBJS)/tests/fuzz/%.replay: $(OBJS)/tests/fuzz/%.o $(OBJS)/tests/fuzz/replay.o $(client_parts) \
		$(server) $(library)
	$(call say,LINK,$@)
	$(Q)$(CC) $(CFLAGS) -fno-lto $(LDFLAGS) -o $@ $^ $(LIBS)

# Only the object directory of `make fuzz` builds these: its objects are instrumented.
$(OBJS)/tests/fuzz/%.fuzz: $(OBJS)/tests/fuzz/%.o $(client_parts) $(server) $(library)
	$(call say,LINK,$@)
	$(Q)$(CC) $(CFLAGS) -fsanitize=fuzzer $(LDFLAGS) -o $@ $^ $(LIBS)

fuzz-programs: $(fuzz_programs)

# The options given last win, so these trees differ from this one only in what is named.
asan:
	@echo "Building with sanitizers in $(OBJS)/asan and running every test there."
	$(Q)$(CONFIGURE) --objs=$(OBJS)/asan --with-debug --with-sanitizers >$(OBJS)/asan.out || { \
		cat $(OBJS)/asan.out; exit 1; }
	$(Q)$(MAKE) --no-print-directory -f $(OBJS)/asan/Makefile test

SECONDS := 60
fuzz:
	@echo "Building with clang in $(OBJS)/fuzz and fuzzing each parser for $(SECONDS) s."
	$(Q)$(CONFIGURE) --objs=$(OBJS)/fuzz --cc=clang --with-debug --with-sanitizers \
		>$(OBJS)/fuzz.out || { cat $(OBJS)/fuzz.out; exit 1; }
	$(Q)$(MAKE) --no-print-directory -f $(OBJS)/fuzz/Makefile fuzz-programs \
		COVERAGE_FLAGS=-fsanitize=fuzzer-no-link
	$(Q)auto/fuzz $(OBJS)/fuzz $(SECONDS) $(fuzz_names)

# The bare echo beside which the server is measured, and the plain loop beside which tp bench is.
bench_folder := $(OBJS)/tests/bench
bench_programs := $(bench_folder)/load $(bench_folder)/rawecho

$(bench_folder)/load: $(patsubst %.c,$(OBJS)/tests/bench/%.o,load.c engine.c client.c wire.c) \
	$(OBJS)/src/cli/histogram.o
$(bench_folder)/rawecho: $(OBJS)/tests/bench/rawecho.o
$(bench_programs):
	$(call say,LINK,$@)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^

bench: $(program) $(client) $(bench_programs)
	$(Q)auto/bench $(abspath $(OBJS)) $(BENCH)

tidy:
	$(Q)python3 auto/tidy

format:
	$(Q)python3 auto/tidy --format
