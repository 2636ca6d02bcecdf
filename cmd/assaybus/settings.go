package main

import (
	"fmt"
	"reflect"
	"regexp"
	"strings"
	"text/tabwriter"
)

// setting is one variable as people read it.
type setting struct {
	name, fallback, help string
}

// settings are the variables that [config] is read from, in its order.
func settings() []setting { return settingsOf(reflect.TypeFor[config](), prefix) }

func settingsOf(t reflect.Type, path string) []setting {
	var all []setting
	for f := range t.Fields() {
		name := path + "_" + variable(f)
		if _, leaf := f.Tag.Lookup("help"); !leaf {
			all = append(all, settingsOf(f.Type, name)...)
			continue
		}
		all = append(all, setting{name: name, fallback: f.Tag.Get("default"), help: f.Tag.Get("help")})
	}
	return all
}

// variable is a field's part of the name, by the rule of envconfig.
func variable(f reflect.StructField) string {
	if f.Tag.Get("split_words") != "true" {
		return strings.ToUpper(f.Name)
	}
	words := regexp.MustCompile(`[A-Z][a-z]+`).FindAllString(f.Name, -1)
	return strings.ToUpper(strings.Join(words, "_"))
}

// configTable lists the variables for a terminal: `serve --help` ends in it.
func configTable() string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	for _, s := range settings() {
		fallback := s.fallback
		if fallback == "" {
			fallback = "-"
		}
		fmt.Fprintf(w, "  %s\t%s\t%s\n", s.name, fallback, s.help)
	}
	if err := w.Flush(); err != nil { // a strings.Builder takes everything
		return err.Error()
	}
	return b.String()
}

// configMarkdown is the same table as docs/operating.md holds it.
func configMarkdown() string {
	var b strings.Builder
	b.WriteString("| variable | default | meaning |\n|---|---|---|\n")
	for _, s := range settings() {
		fallback := ""
		if s.fallback != "" {
			fallback = "`" + s.fallback + "`"
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", s.name, fallback, s.help)
	}
	return b.String()
}
