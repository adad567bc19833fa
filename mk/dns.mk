# SPDX-License-Identifier: BSD-3-Clause
#
# common/dns is no part of libtars: who links it puts its object in front, and then libtars' own
# resolver is not linked at all.

DNS_O := $(call objects,common/dns/*.c)

$(BUILD)/tests/unit/dns_test: LDFLAGS += $(DNS_O)
$(BUILD)/tests/unit/dns_test: | $(DNS_O)
