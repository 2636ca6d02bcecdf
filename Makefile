# Everything a person or CI does here is a target; `make help` lists them.
SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
MAKEFLAGS += --warn-undefined-variables --no-builtin-rules --no-print-directory
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

GOLANGCI_LINT_VERSION := v2.15.0
GOVULNCHECK_VERSION := v1.9.0
NATSCLI_VERSION := v0.5.1

BIN := $(abspath .tmp/bin)
GOLANGCI_LINT := $(BIN)/golangci-lint-$(GOLANGCI_LINT_VERSION)
GOVULNCHECK := $(BIN)/govulncheck-$(GOVULNCHECK_VERSION)
NATSCLI := $(BIN)/nats-$(NATSCLI_VERSION)
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
ARGS ?=
FUZZTIME ?= 30s
BENCHTIME ?= 1s
HOSTILETIME ?= 1m
RACE_TIMEOUT ?= 20m
AXE_VERSION := 4.14.1
AXE := $(abspath .tmp/axe-$(AXE_VERSION))/package/axe.min.js
VULNDB ?= https://vuln.go.dev
# required: a database out of reach fails make check; else it is said and passed
VULN ?= wanted

.PHONY: help
help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))

.PHONY: demo
demo: ## Bridge, bus and simulated analyzers, live (ARGS='--for 10s' ends by itself)
	CGO_ENABLED=0 go run ./cmd/assaybus demo $(ARGS)

.PHONY: test
test: ## Every test that needs only Go
	CGO_ENABLED=0 go test ./...

.PHONY: race
race: needs-cc ## The tests under the race detector, and nobody may hear of a patient (needs a C compiler)
	CGO_ENABLED=1 go run ./tests/privacy -suite -- go test -json -count=1 -race -shuffle=on -timeout $(RACE_TIMEOUT) ./...

.PHONY: privacy
privacy: ## The tests, and a search for patients and specimens in all that was heard
	CGO_ENABLED=0 go run ./tests/privacy -suite -- go test -json -count=1 ./...

.PHONY: privacy-attacks
privacy-attacks: ## The same of a run of make hostile and make chaos (ARGS as for chaos)
	go run ./tests/privacy -- $(MAKE) hostile HOSTILETIME=$(HOSTILETIME)
	go run ./tests/privacy -- $(MAKE) chaos ARGS="$(ARGS)"

.PHONY: browser
browser: needs-chromium $(AXE) ## The page in headless Chromium, with axe-core
	AXE=$(AXE) go test -count=1 -tags browser -run 'Browser|Phone|Accessibility|Screenshots' ./bridge/web

.PHONY: screenshots
screenshots: needs-chromium ## The pictures of the manual, taken anew
	SCREENSHOTS=$(abspath bridge/web/screenshots) go test -count=1 -tags browser -run Screenshots ./bridge/web

.PHONY: needs-chromium
needs-chromium:
	@command -v chromium >/dev/null || command -v chromium-browser >/dev/null || command -v google-chrome >/dev/null || { \
		echo "the page is tested in a browser and there is no Chromium: apt-get install chromium" >&2; \
		exit 1; \
	}

$(AXE):
	@command -v npm >/dev/null || { echo "axe-core comes from the npm registry and there is no npm: apt-get install npm" >&2; exit 1; }
	@mkdir -p $(dir $(AXE))
	cd $(dir $(AXE)).. && npm pack --silent axe-core@$(AXE_VERSION) && tar -xzf axe-core-$(AXE_VERSION).tgz
	touch $@

.PHONY: alerts
alerts: ## The alert rules and the dashboard's expressions, by Prometheus' own checker
	@command -v promtool >/dev/null || { echo "the alert rules are checked by promtool and there is none: apt-get install prometheus" >&2; exit 1; }
	promtool check rules bridge/web/alerts/*.rules.yml
	CGO_ENABLED=0 go test -count=1 -tags promtool -run '^TestPromtool' ./bridge/web

.PHONY: postgres
postgres: needs-cc ## The tests that run a PostgreSQL server of their own
	CGO_ENABLED=1 go test -race -tags postgres -run '^TestPostgres$$' -timeout $(RACE_TIMEOUT) ./bridge/ingest

.PHONY: snippets
snippets: needs-node $(NATSCLI) ## What docs/ print for other programs, run: Go, Node, nats, openssl
	CGO_ENABLED=0 NATSCLI=$(NATSCLI) go test -tags snippets -run '^TestSnippet' ./cmd/assaybus

.PHONY: lint
lint: $(GOLANGCI_LINT) ## Format, vet, linters and the import rules
	@unformatted=$$(gofmt -l $$(git ls-files -co --exclude-standard '*.go')); \
	if [[ -n "$$unformatted" ]]; then \
		echo "not gofmt'ed (run gofmt -w on them):" >&2; echo "$$unformatted" >&2; exit 1; \
	fi
	go vet ./...
	$(GOLANGCI_LINT) run
	.ci/imports $(GOLANGCI_LINT)

.PHONY: check
check: needs-cc lint ## All that must be green before a change lands
	go mod tidy -diff
	$(MAKE) vuln
	$(MAKE) alerts
	$(MAKE) race
	go run ./tests/privacy -- $(MAKE) browser postgres snippets

# Not -fuzztime: when that ends, go 1.26 may call a clean run failed with a bare
# "context deadline exceeded" (golang/go#75804). An interrupt ends it properly.
.PHONY: fuzz
fuzz: ## Every fuzz target for FUZZTIME each (default 30s)
	@command -v timeout >/dev/null || { echo "the fuzzers are ended by timeout and there is none: apt-get install coreutils" >&2; exit 1; }
	@root=$$PWD; work=$$(mktemp -d); trap 'rm -rf "$$work"' EXIT; cache=$$(go env GOCACHE)/fuzz; \
	for package in $$(go list ./...); do \
		for target in $$(go test -list '^Fuzz' "$$package" | grep '^Fuzz' || true); do \
			echo "== $$package $$target"; \
			go test -c -fuzz "^$$target\$$" -o "$$work/fuzz.test" "$$package"; \
			cd "$$(go list -f '{{.Dir}}' "$$package")"; \
			timeout --preserve-status -s INT -k 60 $(FUZZTIME) "$$work/fuzz.test" -test.run '^$$' \
				-test.fuzz "^$$target\$$" -test.fuzzcachedir "$$cache/$$package" -test.fuzzminimizetime 1s; \
			cd "$$root"; \
		done; \
	done

.PHONY: chaos
chaos: ## Kill, stop, cut off, fill and damage; nothing acknowledged may be lost (ARGS='--for 2h')
	CGO_ENABLED=0 go run ./tests/chaos $(ARGS)

.PHONY: vuln
vuln: $(GOVULNCHECK) ## Known vulnerabilities in what we call (needs VULNDB, default https://vuln.go.dev)
	@$(GOVULNCHECK) -db $(VULNDB) ./... || { status=$$?; ((status == 3)) && exit 3; \
		echo "govulncheck DID NOT RUN: it needs the database at $(VULNDB); without a network name a copy: make vuln VULNDB=file:///path/to/vulndb" >&2; \
		[[ "$(VULN)" != required ]]; }

.PHONY: hostile
hostile: ## Every kind of hostile peer at once, for HOSTILETIME (default 1m)
	go test ./bridge -run 'TestHostile|TestMemory' -count 1 -v -hostile $(HOSTILETIME)

.PHONY: bench
bench: build ## Whole processes against a bare server: table and bench.json (ARGS='-parts rate,slow')
	CGO_ENABLED=0 go run ./tests/bench $(ARGS)

.PHONY: micro
micro: ## Every benchmark of a function (BENCHTIME=1s)
	go test -run '^$$' -bench . -benchmem -benchtime $(BENCHTIME) ./...

.PHONY: build
build: ## A static binary ./assaybus
	CGO_ENABLED=0 go build -trimpath -ldflags '-s -w -X main.version=$(VERSION)' -o assaybus ./cmd/assaybus

.PHONY: clean
clean: ## Remove what the targets made
	rm -rf .tmp assaybus bench.json

.PHONY: needs-cc
needs-cc:
	@command -v "$$(go env CC)" >/dev/null || { \
		echo "the race detector needs a C compiler and there is no $$(go env CC): apt-get install gcc libc6-dev" >&2; \
		exit 1; \
	}

.PHONY: needs-node
needs-node:
	@for program in node npm; do \
		command -v $$program >/dev/null || { \
			echo "docs/consumers.md has a program for Node and there is no $$program: apt-get install nodejs npm" >&2; \
			exit 1; \
		}; \
	done

$(GOLANGCI_LINT):
	@mkdir -p $(BIN)
	GOBIN=$(BIN) go install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(GOLANGCI_LINT_VERSION)
	mv $(BIN)/golangci-lint $@

$(GOVULNCHECK):
	@mkdir -p $(BIN)
	GOBIN=$(BIN) go install golang.org/x/vuln/cmd/govulncheck@$(GOVULNCHECK_VERSION)
	mv $(BIN)/govulncheck $@

$(NATSCLI):
	@mkdir -p $(BIN)
	CGO_ENABLED=0 GOBIN=$(BIN) go install github.com/nats-io/natscli/nats@$(NATSCLI_VERSION)
	mv $(BIN)/nats $@
