# Forwards everything to the Makefile that configure wrote; see auto/rules.mk.
OBJS ?= objs
GOALS := $(or $(MAKECMDGOALS),all)

.PHONY: forward $(GOALS)

$(GOALS): forward
	@:

forward:
	@test -f $(OBJS)/Makefile || { echo "There is no $(OBJS)/Makefile: run ./configure first."; exit 1; }
	@$(MAKE) --no-print-directory -f $(OBJS)/Makefile $(GOALS)
