# Needs Go; each target says what else it needs where that is missing. `make` lists the targets.

MAKEFLAGS += --no-print-directory
SHELL     := /bin/bash
MODULES   ?= 100000
SEEDS     ?= 20000
POSTGRES  ?= 14 15 16 17 18
CHROME    ?= chromium
SHOTS     ?= $(CURDIR)/.build/shots
TOKEN     ?= $(ICHOR_TOKEN)

# The version is stamped by hand, so that a checkout whose owner is another user builds too.
VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
export GOFLAGS += -buildvcs=false

STAMP   := -X github.com/ichor-replicator/ichor/host.version=$(VERSION)
CROSS   := linux/amd64 linux/arm64 darwin/arm64
CODE    := abi cmd examples guests host .ci/manifests .ci/monitoring .ci/page
say      = @printf '== %s\n' "$(1)"

# What is pure, or reads the sources alone: the layout, the vocabulary, the contract, the core.
QUICKLY := ./host/layout ./abi/... ./host/ring ./host/talos ./host/timing ./host/suffix ./host/queue ./host/replicator

# The packages that start goroutines, or that others call from several.
RACE    := ./host ./host/admin ./host/rollout ./host/session ./host/telemetry ./host/guest ./host/guest/sqlpolicy ./host/installer/... ./host/kafka/... ./host/timing

# What reads, rewrites and compiles modules: it starts nothing and shares nothing, and with the detector in it the tests of RACE
# took three times as long. The interpreter keeps it: built without, its copy of sync.Map's code, which others get too, hides what
# orders them.
UNRACED := $(addprefix github.com/tetratelabs/wazero/internal/,engine/wazevo/ssa engine/wazevo/frontend engine/wazevo/backend/... leb128 wasm/binary) \
	$(addprefix github.com/ichor-replicator/ichor/host/guest/,wasm fuel/...)

.DEFAULT_GOAL := help
.PHONY: help demo quick test race test-kafka test-postgres test-api test-fuel test-arm64 page page-shots browser rules units manifests soak sim seeds explore mutants check check-rules check-manifests check-seeds build cross vet format fmt lint tidy fixtures vendor guests benchmarks clean-tree bench chaos image image-check tools ichor clean go

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  %-12s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))

demo: go ## everything on one machine and a verdict; EXAMPLE=orders KILL=n SWAP=n FOR=30s RATE=n ACCOUNTS=n TRANSFERS=n GUEST=FILE.wasm KEEP=1 keeps it running; JSON=1
	@.ci/moving "compiling the demonstration; the first time this takes some minutes" go build -o .build/demo ./cmd/demo
	@.build/demo $(if $(EXAMPLE),--example $(EXAMPLE)) $(if $(GUEST),--guest $(GUEST)) $(if $(KEEP),--keep) $(if $(KILL),--kill $(KILL)) $(if $(SWAP),--swap $(SWAP)) $(if $(FOR),--for $(FOR)) \
		$(if $(RATE),--rate $(RATE)) $(if $(ACCOUNTS),--accounts $(ACCOUNTS)) $(if $(TRANSFERS),--transfers $(TRANSFERS)) $(if $(JSON),--json)

ichor: go ## the host, one static binary: ./ichor
	@.ci/moving "compiling the host; the first time this takes some minutes" env CGO_ENABLED=0 go build -trimpath -ldflags "-s -w $(STAMP)" -o ichor ./cmd/ichor

quick: go ## the tests of layout, vocabulary, contract, queue and core: seconds, to run after each change
	@go test -timeout 5m $(TESTFLAGS) $(QUICKLY)

test: go ## all tests, those with goroutines under the race detector (TESTFLAGS=-count=1 forgets earlier results)
	@if [ -n "$$CI" ] || command -v "$$(go env CC)" >/dev/null; then raced=$$(go list $(RACE)); \
	else raced=; echo "race detector left out: it needs a C compiler (apt-get install gcc)"; fi; \
	.ci/moving "compiling and running the tests; the first time this takes some minutes" \
		go test -timeout 20m $(TESTFLAGS) $$(go list ./... | grep -vxF "$$raced") && \
	if [ -n "$$raced" ]; then $(MAKE) race; fi

race: go
	$(call say,race)
	@CGO_ENABLED=1 .ci/moving "compiling and running tests under the race detector" go test -race $(UNRACED:%=-gcflags=%=-race=false) -timeout 30m $(TESTFLAGS) $(RACE)

test-kafka: go ## the tests of the log against Apache Kafka; needs java and mvn
	@for tool in java mvn; do command -v $$tool >/dev/null || { echo "ichor: no $$tool: test-kafka starts an Apache Kafka (apt-get install default-jre-headless maven)" >&2; exit 3; }; done
	ICHOR_KAFKA=apache go test ./host/kafka -run Conformance -count=1
	ICHOR_KAFKA=apache go test ./host -run 'RecordedTopics|Compacted' -count=1
	ICHOR_KAFKA=apache go test ./cmd/ichor -run 'Killed|MadeAgain' -count=1

test-postgres: go ## the tests of SQL on PostgreSQL 14 to 18, downloaded once (not part of make test); POSTGRES="14 18" takes some, FUZZ=1m makes up SQL too
	@for major in $(POSTGRES); do \
		echo "== PostgreSQL $$major"; export PG_BIN=download:$$major; \
		go test ./host/installer ./host/installer/querytree ./host/guest/sqlpolicy -count=1 -timeout 30m $(TESTFLAGS) || exit 1; \
		$(if $(FUZZ),go test ./host/installer -run '^$$' -fuzz TemplatesNeverRun -fuzztime $(FUZZ) || exit 1;) \
	done

test-api: go ## the HTTP API against openapi.yaml, by a program that sends whatever that allows and does not; needs python3 with venv
	@python3 -c 'import ensurepip' 2>/dev/null || { echo "ichor: no python3 with venv: test-api needs it (apt-get install python3-venv)" >&2; exit 3; }
	@test -x .build/api/bin/schemathesis || { python3 -m venv .build/api && .build/api/bin/pip install --quiet --disable-pip-version-check --requirement .ci/api.txt; }
	go test ./host -run OpenAPIFile -count=1 -args -schemathesis "$$PWD/.build/api/bin/schemathesis"

soak: go ## ten million versions through one instance, a thousand swaps, and a minute of swaps under full load: memory stays as it is
	go test ./host/guest -run StaysFlat -v -count=1 -timeout 1h -args -soak 10000000
	go test ./host -run 'ManySwaps|SwapsUnder' -v -count=1 -timeout 1h -args -swaps 1000 -swapping 1m

test-fuel: go ## guests with fuel, without, and with their work counted, on MODULES generated modules (100000: some 10 minutes); needs cargo
	@command -v cargo >/dev/null || { echo "ichor: no cargo: test-fuel builds a generator of modules (rustup, or apt-get install cargo); make test has 500 of its modules" >&2; exit 3; }
	@directory=$$(mktemp -d) && trap 'rm -rf "$$directory"' EXIT && \
		CARGO_TARGET_DIR="$$directory" cargo build --quiet --release --locked --manifest-path host/guest/fuel/testdata/smith/Cargo.toml && \
		"$$directory/release/smith" 0 $(MODULES) >"$$directory/modules" && \
		go test ./host/guest/fuel -run 'Generated|Lines' -v -count=1 -timeout 1h -args -generated "$$directory/modules" -lines $$(($(MODULES) / 200 + 50))

test-arm64: go ## what is computed differently on arm64, built for it and run by qemu; needs qemu-aarch64
	@command -v qemu-aarch64 >/dev/null || { echo "ichor: no qemu-aarch64: test-arm64 runs tests that are built for arm64 (apt-get install qemu-user)" >&2; exit 3; }
	@directory=$$(mktemp -d) && trap 'rm -rf "$$directory"' EXIT && \
		CGO_ENABLED=0 GOARCH=arm64 go test -c -o "$$directory/fuel.test" ./host/guest/fuel && \
		cd host/guest/fuel && qemu-aarch64 "$$directory/fuel.test" -test.v -test.run 'Integers|Remainders'

page: browser ## the page in a real browser, and what is wrong with it for who cannot see or point; needs chromium (CHROME=path), node and npm
	@cd .ci/page && CHROME="$(CHROME)" go test -count=1 -timeout 20m $(TESTFLAGS) .

page-shots: browser ## pictures of every section of the page, wide and narrow, light and dark, in SHOTS (.build/shots); URL=http://… TOKEN=… of a running host; needs chromium (CHROME=path)
	@cd .ci/page && CHROME="$(CHROME)" ICHOR_TOKEN="$(TOKEN)" go test -count=1 -timeout 20m -run Shots . -args -shots "$(SHOTS)" -url "$(URL)"
	@echo "pictures are in $(SHOTS)"

browser: go
	@command -v "$(CHROME)" >/dev/null || { echo "ichor: no $(CHROME): the page is tried in a browser (apt-get install chromium, or CHROME=path)" >&2; exit 3; }

rules: go ## the dashboard and the alerts of examples/monitoring: what they ask for, and when each fires; needs promtool
	$(call say,rules)
	@command -v promtool >/dev/null || { echo "ichor: no promtool: rules runs the tests of the alerts (apt-get install prometheus)" >&2; exit 3; }
	@cd .ci/monitoring && go test -count=1 .
	@cd examples/monitoring && promtool check config prometheus.yaml >/dev/null && promtool test rules rules_test.yaml
	@promtool check config --syntax-only examples/compose/prometheus.yaml >/dev/null

units: ## the unit of examples/systemd is one that systemd takes, and it may do little; left out where there is no systemd-analyze
	$(call say,units)
	@.ci/units

manifests: go ## examples/kubernetes against Kubernetes' own types and the host's settings; the first time it compiles for minutes
	$(call say,manifests)
	@cd .ci/manifests && go test -count=1 .

sim: seeds explore ## the real core above models of log, database and hosts: SEEDS=n seeds (20000: a minute), and every turn of small systems

seeds: go
	$(call say,seeds)
	@go build -o .build/sim ./cmd/sim
	@.build/sim --seeds $(SEEDS)

explore: go ## every turn of small systems (a quarter of an hour); MOST=n takes all faults by two lanes too, up to n states of each
	$(call say,explore)
	@go build -o .build/sim ./cmd/sim
	@.build/sim --explore $(if $(MOST),--most $(MOST))

mutants: go ## build bugs of one line into the protocol and have the seeds kill them; writes host/sim/MUTANTS.md (4 minutes)
	@go build -o .build/sim ./cmd/sim
	@.build/sim --mutants --seeds 6000

check: build cross vet format lint tidy fixtures vendor guests check-rules units check-manifests check-seeds benchmarks race clean-tree ## the gate: from simple to specific, and a clean tree at the end

build: go
	$(call say,build)
	@go build ./...

cross: go
	@for target in $(CROSS); do echo "== build for $$target"; \
		CGO_ENABLED=0 GOOS=$${target%/*} GOARCH=$${target#*/} go build ./... || exit 1; done

vet: go
	$(call say,vet)
	@go vet ./...

format:
	$(call say,format)
	@files=$$(gofmt -l $(CODE)); test -z "$$files" || { echo "not formatted (make fmt mends it):" $$files >&2; exit 1; }

fmt: ## format the code
	@gofmt -w $(CODE)

lint: go ## golangci-lint with .golangci.yml
	$(call say,lint)
	@tool=$$(.ci/tool golangci-lint) && "$$tool" run ./...

tidy: go
	$(call say,tidy)
	@go mod tidy -diff
	@cd .ci/tools && go mod tidy -diff
	@cd .ci/monitoring && go mod tidy -diff
	@cd .ci/page && go mod tidy -diff
	@cd .ci/manifests && go mod tidy -diff

fixtures: ## the modules of the tests are what their texts give, by a pinned assembler; needs node and npm
	$(call say,fixtures)
	@.ci/fixtures

vendor: ## what the page has from others is what was published, by pinned packages; needs node and npm
	$(call say,vendor)
	@.ci/vendor

guests: go ## the modules of the examples are what their sources give, for the compilers that are there
	$(call say,guests)
	@go test ./guests -run Examples

benchmarks: go ## every benchmark once, for what it measures is no test: go test PACKAGE -run XXX -bench NAME measures
	$(call say,benchmarks)
	@printed=$$(.ci/moving "running each benchmark once" go test -timeout 15m -run '^$$' -bench . -benchtime 1x ./...) || { printf '%s\n' "$$printed" >&2; exit 1; }

check-rules:
	@if [ -n "$$CI" ] || command -v promtool >/dev/null; then $(MAKE) rules; \
	else echo "rules of examples/monitoring left out: they need promtool (apt-get install prometheus)"; fi

check-manifests:
	@if [ -n "$$CI" ] || (cd .ci/manifests && GOPROXY=off go list -deps -test . >/dev/null 2>&1); then $(MAKE) manifests; \
	else echo "manifests of examples/kubernetes left out: they need modules of Kubernetes, which make manifests downloads"; fi

check-seeds:
	@$(MAKE) seeds SEEDS=2000

clean-tree:
	$(call say,clean tree)
	@git rev-parse --git-dir >/dev/null || { echo "ichor: no git checkout, so nobody can say whether it is clean" >&2; exit 3; }
	@changes=$$(git status --porcelain); test -z "$$changes" || { printf 'the tree is not clean:\n%s\n' "$$changes" >&2; exit 1; }

chaos: go ## what a host stands on is broken KILLS times (100: 8 minutes), and all is installed once; SEED=n GUARD=1 ONLY="kill -9"
	@.ci/moving "compiling the driver; the first time this takes some minutes" go build -o .build/chaos ./cmd/chaos
	@.build/chaos $(if $(KILLS),--kills $(KILLS)) $(if $(SEED),--seed $(SEED)) $(if $(GUARD),--guard) $(if $(ONLY),--only "$(ONLY)")

bench: go ## the benchmark ladder, and lanes; JSON=1 QUICK=1 MEMORY=n candidates of a long backlog, decided and undecided
	@go run ./cmd/bench $(if $(JSON),--json) $(if $(QUICK),--quick) $(if $(MEMORY),--memory $(MEMORY))

image: ## the container image, by docker or buildah; GO_IMAGE=… builds from another base, stand-in from this machine's Go
	@GO_IMAGE="$(GO_IMAGE)" VERSION="$(VERSION)" .ci/image build

image-check: ## build the images and run them read-only, without privileges: the host alone, and examples/compose
	@GO_IMAGE="$(GO_IMAGE)" VERSION="$(VERSION)" .ci/image check

tools: go ## build the tools of .ci/tools into the user's cache (4 minutes the first time)
	@for tool in golangci-lint benchstat; do .ci/tool $$tool; done

clean: ## remove what make built here
	@rm -rf ichor .build

# The results of tests are kept while what they looked at is as it was, and several look for the root by its files: a folder
# that a later step adds to it would have them all run again.
go:
	@mkdir -p .build
	@command -v go >/dev/null || { echo "ichor: no go command: install Go 1.26 or newer (https://go.dev/dl)" >&2; exit 3; }
	@said=$$(go list -m 2>&1) || { printf 'ichor: this go is too old or broken: install Go 1.26 or newer (https://go.dev/dl)\n%s\n' "$$said" >&2; exit 3; }
