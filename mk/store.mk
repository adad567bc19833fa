# SPDX-License-Identifier: BSD-3-Clause
#
# make test-elastic    the cases of tests/store against a real Elasticsearch (fetched once)

.PHONY: test-elastic
test-elastic:
	@scripts/deps test
	@tests/store/compare
