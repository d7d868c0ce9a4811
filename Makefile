# Each word is one line into ci/, so that it can be read and run by hand.
.PHONY: run build test lint layers web web-planted conformance coverage-access canary autobahn fuzz crash-sqlite crash-postgres crash-mongodb stress-postgres stress-mongodb differential upserts upset-histories test-postgres-matrix bench help

run: ## build and serve on SQLite (needs Go only)
	@ci/run.sh

build: ## build bin/secondgate
	@ci/build.sh

test: ## set up what the tests need, run every check and test, and list the slowest
	@ci/test.sh

lint: ## gofmt, go vet, staticcheck, go mod tidy
	@ci/lint.sh

layers: ## check which package may import which
	@ci/layers.sh

web: build ## check the browser packages: types, tests against the real binary, sizes
	@ci/web.sh

web-planted: build ## the same, and plant bugs in the browser packages
	@ci/web.sh planted

conformance: ## hold a gateway of its own, or the one at URL=http://…, to the protocol's rules
	@ci/conformance.sh

coverage-access: ## print how many branches of gateway/access are tested, and fail below all
	@ci/coverage-access.sh

canary: ## look at every byte of 100,000 changes in 200 scopes for what is another scope's, or a secret
	@ci/canary.sh 100000

autobahn: ## run the genuine Autobahn test suite (needs Python 2.7)
	@ci/autobahn.sh

fuzz: ## fuzz the decoders for a minute each
	@ci/fuzz.sh

crash-sqlite: ## kill -9 the gateway 100 times under load, over SQLite
	@ci/crash.sh 100

stress-postgres: ## run 24 writers on PostgreSQL while readers are killed 500 times
	@ci/stress.sh 50000

differential: ## carry out 100,000 random writes on all four databases and compare every answer
	@ci/differential.sh 100000

upserts: ## have 16 agents race 1,000 times for one natural key, on two gateways of each database
	@ci/upserts.sh 1000

upset-histories: ## random histories in which each database is killed, restored and fails over, three times
	@ci/upset-histories.sh 3

crash-postgres: ## kill -9 the gateway 60 times under load, over PostgreSQL
	@ci/crash.sh 60 TestCrashPostgres

stress-mongodb: ## list and replay 5,000 times on MongoDB under 12 writers
	@ci/stress-mongodb.sh 5000

crash-mongodb: ## kill -9 the gateway 60 times under load, over MongoDB
	@ci/crash.sh 60 TestCrashMongoDB

test-postgres-matrix: ## test the PostgreSQL driver on every major version
	@ci/postgres-matrix.sh

bench: ## measure writes, fan-out, delays, lists, memory, attacks and growth beside their floors
	@ci/bench.sh

help: ## list these words
	@grep -E '^[a-z-]+:.*##' Makefile | sed -E 's/:.*## /\t/' | expand -t 24
