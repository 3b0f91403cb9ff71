# auto/client.mk - tp, the command-line client: a program like any other with libteleport.
#
# It sees the installed headers and its own; make tidy knows that it includes no others.

client := $(OBJS)/tp
client_main := $(OBJS)/src/cli/main.o
client_objects := $(filter-out $(client_main),$(call objects_of,$(call find_sources,src/cli)))
# All of it but main(), for tests.
client_parts := $(OBJS)/libtp.a

.PHONY: tp
tp: $(client)

$(client): $(client_main) $(client_parts) $(static_libteleport)
	$(call say,LINK,$@)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(LIBRARY_LIBS) -lm

$(client_parts): $(client_objects)
	$(call say,AR,$@)
	$(Q)rm -f $@ && $(AR) qcs $@ $^
