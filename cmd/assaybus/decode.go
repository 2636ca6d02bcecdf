package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/assaybus/assaybus/codec"
	"github.com/assaybus/assaybus/codec/all"
)

// maxCapture is the largest capture that decode reads.
const maxCapture = 256 << 20

// decodeFlags are the flags of decode.
type decodeFlags struct {
	json     bool
	schema   bool
	protocol string
	timezone string
	options  codec.Options
}

func newDecode() *cobra.Command {
	var f decodeFlags
	cmd := &cobra.Command{
		Use:   "decode [FILE...|-]",
		Short: "Decode captures without a bus or an instrument",
		Long: `Decode finds the messages in captures and decodes them as the bridge would.
A capture is what an instrument sends, with its link framing (ASTM frames, MLLP
blocks) or without (records or segments alone). Files with the answers of the
other side in between are fine. It reads standard input when no file is named.

For people it prints a table of results per message; it shows specimen ids.
Messages that are continued over several (HL7 DSC) are joined when all their
parts are in one file: the parts say nothing then, the last one everything. A
part whose rest is not there is printed as it is.

With --json it prints one object per message (schema ` + codec.Schema + `) and
one {"error": ...} object for whatever could not be decoded.

Exit codes: 0 everything was decoded; 1 something was not, or there was no
message; 2 usage.

Quirks: ` + strings.Join(all.Protocols.QuirkNames(), ", ") + `.`,
		Example: `  assaybus decode capture.astm
  assaybus decode --json --quirk no-checksum night.log | jq .results
  nc -l 5001 | assaybus decode --protocol hl7 -`,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if f.schema {
				_, err := cmd.OutOrStdout().Write(codec.SchemaJSON())
				return err
			}
			return f.run(cmd, all.Protocols, args)
		},
	}
	flags := cmd.Flags()
	flags.BoolVar(&f.json, "json", false, "one JSON object per line")
	flags.BoolVar(&f.schema, "schema", false, "print the JSON Schema of a decoded message and do nothing else")
	flags.StringVar(&f.protocol, "protocol", codec.Auto, "auto, "+strings.Join(all.Protocols.Names(), " or "))
	flags.StringArrayVar(&f.options.Quirks, "quirk", nil, "tolerance that the instrument needs (repeatable)")
	flags.StringVar(&f.options.Charset, "charset", "", "character set of the bytes, whatever the message says")
	flags.StringVar(&f.timezone, "timezone", "UTC", "zone of times without one, such as Africa/Harare")
	flags.BoolVar(&f.options.DecimalComma, "decimal-comma", false, "a comma in a number is the decimal point")
	flags.BoolVar(&f.options.ThousandsComma, "thousands-comma", false, "a comma in a number groups thousands")
	flags.StringVar(&f.options.Fallback, "charset-fallback", "", "charset of bytes that neither the message nor --charset explains")
	flags.StringArrayVar(&f.options.SpecimenPath, "specimen-path", nil, "where the specimen id is, such as O.4.1 or SPM-2.1 (repeatable, first non-empty wins)")
	flags.IntVar(&f.options.CodeComponent, "code-component", 0, "component of R.3 or OBX-3 that is the test code; 0 = by the standard")
	flags.StringVar(&f.options.Continuation, "dsc", "hl7", "messages continued by DSC: hl7 joins them, separate where each is complete by itself")
	return cmd
}

func (f *decodeFlags) run(cmd *cobra.Command, protocols codec.Index, files []string) error {
	location, err := time.LoadLocation(f.timezone)
	if err != nil {
		return usagef("--timezone: %q is not a zone of the IANA list, such as Africa/Harare", f.timezone)
	}
	f.options.Location = location
	f.options.MaxMessage = maxCapture
	protocol, err := protocols.Build(f.protocol, f.options)
	if err != nil {
		return &usageError{err} // everything that Build can dislike comes from flags
	}
	if len(files) == 0 {
		if isTerminal(cmd.InOrStdin()) {
			return usagef("nothing to decode: name a capture, or - to type one")
		}
		files = []string{"-"}
	}
	out := printer{w: cmd.OutOrStdout(), json: f.json}
	d := decoder{protocol: protocol, put: out.put}
	for _, file := range files {
		out.file = file
		data, err := readCapture(cmd.Context(), cmd, file)
		if err != nil {
			d.file, d.parts = file, assembly{put: d.put}
			d.fail(errorUnreadable, 0, err)
			continue
		}
		d.decode(cmd.Context(), file, data)
	}
	return out.result()
}

// readCapture reads a file, or standard input for "-".
func readCapture(ctx context.Context, cmd *cobra.Command, file string) ([]byte, error) {
	if file != "-" {
		in, err := os.Open(file)
		if err != nil {
			return nil, pathless(err)
		}
		defer in.Close()
		data, err := readLimited(in, maxCapture)
		return data, pathless(err)
	}
	if isTerminal(cmd.InOrStdin()) {
		fmt.Fprintln(cmd.ErrOrStderr(), "assaybus: reading standard input, end it with Ctrl-D")
	}
	type reading struct {
		data []byte
		err  error
	}
	done := make(chan reading, 1)
	go func() { // a read of a terminal cannot be interrupted: it ends with the process
		data, err := readLimited(cmd.InOrStdin(), maxCapture)
		done <- reading{data, err}
	}()
	select {
	case r := <-done:
		return r.data, r.err
	case <-ctx.Done():
		return nil, errors.New("interrupted")
	}
}

func readLimited(r io.Reader, limit int64) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(r, limit+1))
	if err == nil && int64(len(data)) > limit {
		return nil, fmt.Errorf("larger than %s: split it between two transmissions", Size(limit))
	}
	return data, err
}

// pathless is err without the path, which a problem has in its own field.
func pathless(err error) error {
	if path, ok := errors.AsType[*os.PathError](err); ok {
		return fmt.Errorf("%s: %w", path.Op, path.Err)
	}
	return err
}

// printer writes findings and keeps the score.
type printer struct {
	w      io.Writer
	json   bool
	file   string
	found  int
	failed int
	err    error // the first that writing met
}

func (p *printer) put(f finding) {
	var line bytes.Buffer
	if f.problem != nil {
		p.failed++
	} else {
		p.found++
	}
	switch {
	case p.json && f.problem != nil:
		p.keep(encode(&line, f.problem))
	case p.json:
		p.keep(encode(&line, f.message))
	case f.problem != nil:
		summarizeProblem(&line, f.problem)
	default:
		summarize(&line, p.file, f.message)
	}
	_, err := p.w.Write(line.Bytes())
	p.keep(err)
}

func (p *printer) keep(err error) {
	if p.err == nil {
		p.err = err
	}
}

// result is nil when every message was decoded and there was one.
func (p *printer) result() error {
	switch {
	case p.err != nil:
		return fmt.Errorf("write: %w", p.err)
	case p.failed > 0:
		return fmt.Errorf("%s decoded, %s", count(p.found, "message"), count(p.failed, "problem"))
	}
	return nil
}

func encode(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	return e.Encode(v)
}

// count writes a number with its noun.
func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
