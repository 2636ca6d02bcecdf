package main

import (
	"maps"
	"os"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml"

	"github.com/assaybus/assaybus/bridge"
	"github.com/assaybus/assaybus/codec/all"
)

// composition is what this test reads of docker-compose.yml.
type composition struct {
	Services map[string]struct {
		Image       string
		Command     []string
		Environment map[string]string
		Ports       []string
		Configs     []struct{ Source, Target string }
		Volumes     []string
		Healthcheck struct {
			Test    []string
			Disable bool
		}
		DependsOn   map[string]struct{ Condition string } `yaml:"depends_on"`
		GracePeriod string                                `yaml:"stop_grace_period"`
	}
	Volumes map[string]any
	Configs map[string]struct{ Content string }
}

func compose(t *testing.T) composition {
	t.Helper()
	var c composition
	if err := yaml.Unmarshal(repositoryFile(t, "docker-compose.yml"), &c); err != nil {
		t.Fatal(err)
	}
	if len(c.Services) == 0 {
		t.Fatal("no services")
	}
	return c
}

func repositoryFile(t *testing.T, name string) []byte {
	t.Helper()
	b, err := os.ReadFile("../../" + name)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// instructions are a Dockerfile's, continuation lines joined.
func instructions(t *testing.T) [][2]string {
	t.Helper()
	text := strings.ReplaceAll(string(repositoryFile(t, "Dockerfile")), "\\\n", " ")
	var all [][2]string
	for line := range strings.Lines(text) {
		if word, rest, ok := strings.Cut(strings.TrimSpace(line), " "); ok && !strings.HasPrefix(word, "#") {
			all = append(all, [2]string{word, strings.Join(strings.Fields(rest), " ")})
		}
	}
	return all
}

// imageEnvironment is what the Dockerfile sets for the program.
func imageEnvironment(t *testing.T) map[string]string {
	t.Helper()
	env := map[string]string{}
	for _, i := range instructions(t) {
		if i[0] != "ENV" {
			continue
		}
		for pair := range strings.FieldsSeq(i[1]) {
			name, value, _ := strings.Cut(pair, "=")
			env[name] = value
		}
	}
	return env
}

// The image's settings are settings, its ports are the program's, and its
// tools are the repository's.
func TestDockerfile(t *testing.T) {
	env := imageEnvironment(t)
	for name, value := range env {
		t.Setenv(name, value)
	}
	c, err := loadConfig()
	if err != nil {
		t.Fatalf("the image's environment: %v", err)
	}
	got := map[string][]string{}
	for _, i := range instructions(t) {
		got[i[0]] = append(got[i[0]], i[1])
	}
	port := c.HTTP[strings.LastIndex(c.HTTP, ":")+1:]
	if !slices.Contains(got["EXPOSE"], port) {
		t.Errorf("EXPOSE %v, want %s of ASSAYBUS_HTTP", got["EXPOSE"], port)
	}
	if health := strings.Join(got["HEALTHCHECK"], ""); !strings.Contains(health, "http://127.0.0.1:"+port+"/readyz") {
		t.Errorf("HEALTHCHECK %q asks another address than ASSAYBUS_HTTP", health)
	}
	if !slices.Contains(got["VOLUME"], c.Data) {
		t.Errorf("VOLUME %v, want %s of ASSAYBUS_DATA", got["VOLUME"], c.Data)
	}
	if user := got["USER"]; len(user) != 1 || strings.HasPrefix(user[0], "0") || user[0] == "root" {
		t.Errorf("USER %v, want one that is not root", user)
	}
	if build := strings.Join(got["RUN"], " "); !strings.Contains(build, "CGO_ENABLED=0") || !strings.Contains(build, "-X main.version=") {
		t.Errorf("RUN %q builds no static binary with a version", build)
	}
	for _, image := range got["FROM"] {
		if _, tag, ok := strings.Cut(strings.Fields(image)[0], ":"); !ok || tag == "latest" || !regexp.MustCompile(`\d+\.\d+`).MatchString(tag) {
			t.Errorf("FROM %s: pin a version", image)
		}
	}
	goVersion := regexp.MustCompile(`^go(\d+\.\d+)`).FindStringSubmatch(runtime.Version())[1]
	if !strings.HasPrefix(got["FROM"][0], "golang:"+goVersion+".") {
		t.Errorf("FROM %s, tests run with Go %s", got["FROM"][0], goVersion)
	}
	command := regexp.MustCompile(`"([^"]*)"`).FindAllStringSubmatch(strings.Join(got["CMD"], ""), -1)
	var args []string
	for _, word := range command {
		args = append(args, word[1])
	}
	checkCommand(t, args)
}

// Every service of ours uses commands, flags, settings and ports that the
// program has.
func TestCompose(t *testing.T) {
	c := compose(t)
	for _, name := range slices.Sorted(maps.Keys(c.Services)) {
		s := c.Services[name]
		t.Run(name, func(t *testing.T) {
			for dependency := range s.DependsOn {
				if _, ok := c.Services[dependency]; !ok {
					t.Errorf("depends on %s, which is not there", dependency)
				}
			}
			for _, config := range s.Configs {
				if c.Configs[config.Source].Content == "" {
					t.Errorf("config %s is not there", config.Source)
				}
			}
			if s.Image != "assaybus" {
				return
			}
			for k, v := range imageEnvironment(t) {
				t.Setenv(k, v)
			}
			for k, v := range s.Environment {
				t.Setenv(k, v)
			}
			if _, err := loadConfig(); err != nil {
				t.Errorf("environment: %v", err)
			}
			checkCommand(t, s.Command)
		})
	}
}

// checkCommand parses the arguments as the program would, without running it.
func checkCommand(t *testing.T, args []string) {
	t.Helper()
	root, _ := newRoot()
	cmd, rest, err := root.Find(args)
	if err != nil || cmd == root {
		t.Fatalf("command %v: %v", args, err)
	}
	if err := cmd.ParseFlags(rest); err != nil {
		t.Errorf("command %v: %v", args, err)
	}
	if err := cmd.ValidateArgs(cmd.Flags().Args()); err != nil {
		t.Errorf("command %v: %v", args, err)
	}
}

// The instruments file is one that the bridge takes, and everyone calls where
// somebody listens.
func TestComposeInstruments(t *testing.T) {
	c := compose(t)
	content := c.Configs["instruments"].Content
	if _, err := bridge.Load("docker-compose.yml", []byte(content), all.Protocols); err != nil {
		t.Fatal(err)
	}
	var file struct {
		Instruments []struct{ ID, Listen, Dial string }
	}
	if err := yaml.Unmarshal([]byte(content), &file); err != nil {
		t.Fatal(err)
	}
	var listening, dialled, called, waiting []string
	for _, i := range file.Instruments {
		if i.Listen != "" {
			listening = append(listening, "assaybus"+i.Listen[strings.LastIndex(i.Listen, ":"):])
		} else {
			dialled = append(dialled, i.Dial)
		}
	}
	for name, s := range c.Services {
		for n, word := range s.Command {
			switch word {
			case "--to":
				called = append(called, s.Command[n+1])
			case "--listen":
				waiting = append(waiting, name+s.Command[n+1][strings.LastIndex(s.Command[n+1], ":"):])
			}
		}
	}
	for _, pair := range [][2][]string{{listening, called}, {dialled, waiting}} {
		slices.Sort(pair[0])
		slices.Sort(pair[1])
		if !slices.Equal(pair[0], pair[1]) {
			t.Errorf("instruments at %v, simulated ones at %v", pair[0], pair[1])
		}
	}
	for _, mapping := range c.Services["assaybus"].Ports {
		port := mapping[strings.LastIndex(mapping, ":")+1:]
		if port != "8600" && !slices.Contains(listening, "assaybus:"+port) {
			t.Errorf("port %s is published, but nothing listens there", port)
		}
	}
}

// The bus keeps the promise: it syncs every message, on a volume, and takes
// messages as large as the bridge's.
func TestComposeBus(t *testing.T) {
	c := compose(t)
	bus, us := c.Services["nats"], c.Services["assaybus"]
	content := c.Configs["nats"].Content
	setting := func(name string) string {
		m := regexp.MustCompile(`(?m)^\s*` + name + `:\s*(\S+)`).FindStringSubmatch(content)
		if m == nil {
			t.Fatalf("the nats configuration lacks %s", name)
		}
		return m[1]
	}
	if got := setting("sync_interval"); got != "always" {
		t.Errorf("sync_interval %s, want always: a power cut would lose acknowledged messages", got)
	}
	if got := setting("max_payload"); got != "16MB" {
		t.Errorf("max_payload %s, want 16MB", got)
	}
	folder := setting("store_dir")
	if !slices.ContainsFunc(bus.Volumes, func(v string) bool {
		name, target, _ := strings.Cut(v, ":")
		_, declared := c.Volumes[name]
		return declared && target == folder
	}) {
		t.Errorf("volumes %v: the store %s is on none", bus.Volumes, folder)
	}
	if health := strings.Join(bus.Healthcheck.Test, " "); !strings.Contains(health, ":"+setting("http_port")+"/healthz") {
		t.Errorf("health check %q asks another port than http_port", health)
	}
	if got, want := us.Environment["ASSAYBUS_NATS_URL"], "nats://nats:"+setting("port"); got != want {
		t.Errorf("ASSAYBUS_NATS_URL %s, want %s", got, want)
	}
	server := regexp.MustCompile(`nats-server/v2 v(\d+\.\d+\.\d+)`).FindSubmatch(repositoryFile(t, "go.mod"))
	if server == nil || !strings.HasPrefix(bus.Image, "nats:"+string(server[1])) {
		t.Errorf("image %s, tests run against %s of go.mod", bus.Image, server)
	}
	grace, err := time.ParseDuration(us.GracePeriod)
	if settings, failed := loadConfig(); err != nil || failed != nil || grace <= time.Duration(settings.ShutdownGrace) {
		t.Errorf("stop_grace_period %s: must be longer than ASSAYBUS_SHUTDOWN_GRACE", strconv.Quote(us.GracePeriod))
	}
}
