# SPDX-License-Identifier: BSD-3-Clause
#
# make check: layout (clang-format), clang-tidy with .clang-tidy, cppcheck. `make check C=common/conf`
# looks only at files whose path begins so. clang-tidy's verdict on a file is kept until the file,
# or a header it includes, changes.

C_FILES = $(filter-out %analyzer.h,$(filter $(C)%,$(shell git ls-files '*.c' '*.h')))
TIDY_C = $(filter-out tests/%,$(filter %.c,$(C_FILES)))
TIDY_OK = $(TIDY_C:%=$(BUILD)/check/%.ok)
CHECK_FLAGS = $(CPPFLAGS) -std=c11 -I$(GEN)/bench -I$(GEN)/examples
# mk/analyzer.h and a room's own analyzer.h, but not where the functions themselves are
ANALYZER_H = $(if $(filter common/base/error.c %/failure.c,$<),,-Wno-unused-value \
             $(addprefix -include ,mk/analyzer.h $(wildcard $(dir $<)analyzer.h)))

.PHONY: check check-format check-tidy check-cppcheck
check:
	@scripts/deps check
	@$(MAKE) --no-print-directory -j$(PARALLEL) all $(GEN)/bench/Bench.h $(GEN)/examples/Hello.h
	@$(MAKE) --no-print-directory check-format check-tidy check-cppcheck
	@echo "check: layout, clang-tidy and cppcheck are clean"

check-format:
	@clang-format --dry-run -Werror $(C_FILES)

# -k: one run shows what is wrong in all files
check-tidy:
	@$(MAKE) --no-print-directory -k -j$(PARALLEL) --output-sync=target $(TIDY_OK)
$(BUILD)/check/%.ok: % .clang-tidy mk/analyzer.h
	@mkdir -p $(@D)
	@echo "  TIDY    $<"
	@clang-tidy --quiet $< -- $(CHECK_FLAGS) $(ANALYZER_H) 2>$@.log | sed -n '/error:\|warning:/,$$p' >$@.out; \
	    if [ -s $@.out ]; then cat $@.out; rm -f $@; exit 1; fi
	@rm -f $@.log $@.out
	@$(CC) $(CHECK_FLAGS) -MM -MT $@ -MF $@.d $<
	@touch $@

# Warnings that stand: what cppcheck cannot know is written beside the code as an inline suppression.
# varFuncNullUB is not for POSIX, whose NULL is a pointer.
check-cppcheck:
	@mkdir -p $(BUILD)/check/cppcheck
	@cppcheck --quiet -j $(PARALLEL) --enable=warning,portability --inline-suppr --error-exitcode=1 \
	    --std=c11 --language=c --cppcheck-build-dir=$(BUILD)/check/cppcheck \
	    --suppress=missingIncludeSystem --suppress=unknownMacro --suppress=varFuncNullUB --suppress=*:build/* \
	    -D_GNU_SOURCE -DTARSC_VERSION='""' -Iinclude -Icommon -I$(GEN) $(TIDY_C)
-include $(shell find $(BUILD)/check -name '*.ok.d' 2>/dev/null)
