# Lockstep. `make run` and `make test` need Go and nothing else; every other
# target says what it is missing, or installs it, or skips with a reason.

GO       ?= go
VERSION  ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
LDFLAGS  := -s -w -X main.version=$(VERSION)
BUILD    := CGO_ENABLED=0 $(GO) build -trimpath -ldflags '$(LDFLAGS)'

# One test binary a core: the packages' own tests run in parallel within it.
TESTPROCS ?= $(shell getconf _NPROCESSORS_ONLN 2>/dev/null || echo 2)
TESTFLAGS ?=
FUZZTIME  ?= 10s
SEEDS     ?= 20000
FIRST     ?= 1
ROUNDS    ?= 20
SEED      ?= 0
TRANSFERS ?= 300000
BENCHFLAGS ?=
PEERSFLAGS ?=

.PHONY: build run test lint vet staticcheck race outside skips fuzz sim chaos transfers failover bench bench-cluster bench-peers test-clients clients conformance test-tools image compose-test clean help

help: ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-14s %s\n", $$1, $$2}' Makefile

build: ## bin/lockstep, one static binary
	$(BUILD) -o bin/lockstep ./cmd/lockstep

run: build ## a durable broker on 127.0.0.1:9092, data in ./lockstep-data
	bin/lockstep serve

# "work" is every package of the modules in go.work: root, client, protocol, test.
test: vet staticcheck skips ## the whole gate
	@mkdir -p bin/test
	CGO_ENABLED=0 $(GO) build -trimpath -o bin/test/lockstep ./cmd/lockstep
	@trap 'rm -rf bin/test' EXIT; set -x; $(GO) test -p $(TESTPROCS) -timeout 5m $(TESTFLAGS) work

vet:
	$(GO) vet work

staticcheck: # pinned in go.mod
	$(GO) tool staticcheck work

race: ## every product package and the simulator under the race detector
	$(GO) test -race -p $(TESTPROCS) -timeout 15m $(TESTFLAGS) ./broker/... ./client/... ./conflict/... ./coordinator/... ./internal/... ./protocol/... ./replica/... ./segment/... ./test/sim

outside: ## a program outside of the repository builds on package client, and inherits little
	bash test/outside/run.sh

# What the gate would use if it were there. The tests that need one of them
# skip with the same reason.
skips:
	@command -v kcat >/dev/null || echo "skip: kcat's part of the tests; kcat is not installed (make test-clients installs it)"

lint: vet staticcheck ## formatting, layering, package docs, vet, staticcheck
	$(GO) test ./test/house

fuzz: ## every fuzz target, FUZZTIME each
	@grep -rlE --include='*_test.go' '^func Fuzz[A-Z]' . | sort | while read -r file; do \
	  for target in $$(sed -nE 's/^func (Fuzz[A-Za-z0-9_]+)\(.*/\1/p' "$$file"); do \
	    echo "fuzz $$(dirname "$$file") $$target"; \
	    $(GO) test "$$(dirname "$$file")" -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 10x || exit 1; \
	  done; done

sim: ## SEEDS seeds of the simulated cluster, from seed FIRST on
	$(GO) test ./test/sim -run 'TestASoundClusterKeepsItsGuarantees|TestTransactionsAreSound' -seeds $(SEEDS) -first $(FIRST) -timeout 0 -v

chaos: build ## ROUNDS faults on three real brokers under load; SEED=s replays a schedule; needs root for links and disks
	$(GO) run ./test/chaos -binary bin/lockstep -rounds $(ROUNDS) -seed $(SEED)

transfers: build ## TRANSFERS transfers by processes that are killed, on brokers that are killed, and a judgement; SEED=s
	$(GO) run ./test/transfers -binary bin/lockstep -transfers $(TRANSFERS) -seed $(SEED)

failover: build ## the gap in a stock client's writes, over 20 rounds of each way to lose a leader
	$(GO) run ./test/chaos -binary bin/lockstep -failover both

bench: build ## throughput, latency and CPU, against a floor measured in the same run; OLD=PATH compares with an older program
	@if [ -d test/bench ]; then $(GO) run ./test/bench $(BENCHFLAGS) $(if $(OLD),-against "$(OLD) serve --data-dir {dir} --listen {listen} --http {http}"); else echo "skip: there is no test/bench yet"; fi

bench-cluster: build ## what three brokers cost beside one: CPU, latency, many partitions, catching up
	$(GO) run ./test/bench/cluster

# A module of its own, which follows the versions of the product's.
bench-peers: build ## beside NATS JetStream: hot locks, throughput, latency, 8 locks at once; PEERSFLAGS=-quick is shorter
	cd test/peers && GOWORK=off $(GO) build -mod=mod -o ../../bin/peers .
	bin/peers $(PEERSFLAGS)

test-clients: build ## foreign clients and Kafka's tools: installs or skips each, with a reason
	@if [ -f test/clients/run.sh ]; then bash test/clients/run.sh; else echo "skip: there is no test/clients/run.sh yet"; fi
	@bash test/conformance/run.sh
	@bash test/kafka-tools/run.sh

clients: ## the client libraries: wheel and sdist in clients/python/dist, jars in clients/java/target
	@bash clients/build.sh

conformance: build ## what package client and the libraries for Python and Java must do alike, on brokers that are killed
	@bash test/conformance/run.sh

test-tools: build ## Kafka's own command-line tools, against Apache Kafka and against our broker
	@bash test/kafka-tools/run.sh

image: build ## lockstep:dev, FROM scratch, from the binary built here
	@if docker info >/dev/null 2>&1; then deploy/image.sh bin/lockstep lockstep:dev; \
	else echo "skip: no Docker engine runs here; deploy/image.sh needs one"; fi

compose-test: build ## docker-compose.yml with a partition and a kill; installs and starts an engine where it can
	bash test/compose/run.sh

clean: ## remove what the targets made; never ./lockstep-data
	rm -rf bin .cache
