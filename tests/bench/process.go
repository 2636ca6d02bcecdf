package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// process is a server that was started and how to reach it.
type process struct {
	cmd      *exec.Cmd
	pid      int // of the server, where a tracer runs it too
	hl7      string
	astm     string
	started  time.Duration // until it took connections
	messages bytes.Buffer  // what it said
	over     chan error    // gets the result of Wait
}

func (p *process) address(protocol string) string {
	if protocol == "astm" {
		return p.astm
	}
	return p.hl7
}

// Patience with processes.
const (
	startLimit = 2 * time.Minute
	stopLimit  = 30 * time.Second
)

// serve starts assaybus on a store folder; tracer, if any, runs it.
func (b *bench) serve(ctx context.Context, store string, tracer ...string) (*process, error) {
	p := &process{}
	var err error
	if p.hl7, err = freeAddress(); err != nil {
		return nil, err
	}
	if p.astm, err = freeAddress(); err != nil {
		return nil, err
	}
	file := filepath.Join(b.dir, "instruments.yaml")
	text := fmt.Sprintf("defaults: {max_connections: 20000, max_message: 15MiB}\ninstruments:\n  - {id: hl7, listen: %q, protocol: hl7}\n  - {id: astm, listen: %q, protocol: astm}\n", p.hl7, p.astm)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		return nil, err
	}
	args := slices.Concat(tracer, []string{b.program, "serve"})
	p.cmd = exec.CommandContext(ctx, args[0], args[1:]...)
	p.cmd.Env = append(os.Environ(),
		"ASSAYBUS_INSTRUMENTS="+file, "ASSAYBUS_DATA="+store, "ASSAYBUS_NATS_LISTEN=none", "ASSAYBUS_HTTP=none",
		"ASSAYBUS_LOG_LEVEL=warn", "ASSAYBUS_LOG_FORMAT=text")
	return p, p.start(ctx, p.hl7)
}

// bare starts this program as the server that only acknowledges.
func (b *bench) bare(ctx context.Context, protocol string) (*process, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	address, err := freeAddress()
	if err != nil {
		return nil, err
	}
	p := &process{cmd: exec.CommandContext(ctx, self, "bare", protocol, address), hl7: address, astm: address}
	return p, p.start(ctx, address)
}

// start waits until the process takes connections at address.
func (p *process) start(ctx context.Context, address string) error {
	p.cmd.Stdout, p.cmd.Stderr = &p.messages, &p.messages
	p.cmd.Cancel = func() error { return p.cmd.Process.Signal(syscall.SIGTERM) }
	p.cmd.WaitDelay = stopLimit
	began := time.Now()
	if err := p.cmd.Start(); err != nil {
		return err
	}
	p.pid = p.cmd.Process.Pid
	p.over = make(chan error, 1)
	go func() { p.over <- p.cmd.Wait() }()
	var d net.Dialer
	for time.Since(began) < startLimit && ctx.Err() == nil {
		select {
		case err := <-p.over:
			return fmt.Errorf("%s: %w: %s", filepath.Base(p.cmd.Path), err, p.messages.String())
		default:
		}
		if conn, err := d.DialContext(ctx, "tcp", address); err == nil {
			p.started = time.Since(began)
			return conn.Close()
		}
		time.Sleep(5 * time.Millisecond)
	}
	return errors.Join(fmt.Errorf("%s takes no connections: %s", filepath.Base(p.cmd.Path), p.messages.String()), p.stop())
}

// settle waits until the process has finished what it does after its start: it
// counts again what was stored today, beside its connections.
func (p *process) settle(ctx context.Context) error {
	before, err := p.busy()
	for ctx.Err() == nil && err == nil {
		time.Sleep(time.Second)
		var now time.Duration
		if now, err = p.busy(); now-before < idleShare {
			return err
		}
		before = now
	}
	return errors.Join(err, ctx.Err())
}

// idleShare is what it takes of a second of one processor at most when it has
// nothing to do but to read its store for damage.
const idleShare = 100 * time.Millisecond

// busy is the processor time that the process has used.
func (p *process) busy() (time.Duration, error) {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.pid))
	if err != nil {
		return 0, err
	}
	fields := strings.Fields(string(data[bytes.LastIndexByte(data, ')')+1:]))
	var ticks int
	for _, text := range fields[11:13] { // utime, stime: proc(5)
		n, err := strconv.Atoi(text)
		if err != nil {
			return 0, err
		}
		ticks += n
	}
	return time.Duration(ticks) * (time.Second / 100), nil // USER_HZ
}

// stop ends the process and waits for it.
func (p *process) stop() error {
	_ = p.cmd.Process.Signal(syscall.SIGTERM) // it may have ended: Wait says how
	err := <-p.over
	if exit, ok := errors.AsType[*exec.ExitError](err); ok && exit.Sys().(syscall.WaitStatus).Signal() == syscall.SIGTERM {
		return nil // the tracer passes it on
	}
	if err != nil {
		return fmt.Errorf("%w: %s", err, p.messages.String())
	}
	return nil
}

// memory is a line of /proc/PID/status in bytes: VmRSS or VmHWM.
func (p *process) memory(line string) (int, error) {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.pid))
	if err != nil {
		return 0, err
	}
	for text := range strings.Lines(string(data)) {
		if rest, ok := strings.CutPrefix(text, line+":"); ok {
			n, err := strconv.Atoi(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(rest), "kB")))
			return n << 10, err
		}
	}
	return 0, fmt.Errorf("no %s in /proc/%d/status", line, p.pid)
}

// freeAddress is one that nobody listens at now.
func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}

// load is what `assaybus simulate --load --json` says.
type load struct {
	Acknowledged int     `json:"acknowledged"`
	Refused      int     `json:"refused"`
	Rate         float64 `json:"rate"`
	P50          float64 `json:"p50Seconds"`
	P90          float64 `json:"p90Seconds"`
	P99          float64 `json:"p99Seconds"`
	Max          float64 `json:"maxSeconds"`
}

// simulate plays a load against p; rate 0 = as fast as acknowledged.
func (b *bench) simulate(ctx context.Context, p *process, protocol string, connections int, rate float64) (load, error) {
	file := filepath.Join(b.dir, "message."+protocol)
	if err := os.WriteFile(file, []byte(message(protocol)), 0o600); err != nil {
		return load{}, err
	}
	args := []string{"simulate", "--to", p.address(protocol), "--protocol", protocol, "--load", "--json", "--connections", strconv.Itoa(connections),
		"--ramp", "1s", "--for", b.seconds.String(), "--start", strconv.FormatInt(time.Now().UnixMicro(), 10), file}
	if rate > 0 {
		args = append(args, "--rate", strconv.FormatFloat(rate, 'f', 2, 64))
	}
	cmd := exec.CommandContext(ctx, b.program, args...)
	var l load
	out, err := cmd.Output()
	if err != nil {
		return l, fmt.Errorf("simulate: %w: %s", err, out)
	}
	return l, json.Unmarshal(out, &l)
}

// message is the yardstick's: 1 KB with 12 results for HL7, H P O 20 R L for
// ASTM, one record per frame.
func message(protocol string) string {
	var s strings.Builder
	if protocol == "astm" {
		s.WriteString("H|\\^&|||BENCH^1.0|||||||P|LIS2-A2|{time}\rP|1||DEMO{n}||Example^Person||19840312|F\rO|1|B{n}||^^^CHEM|R||{time}||||N||||Serum\r")
		for n := range 20 {
			fmt.Fprintf(&s, "R|%d|^^^TST%02d|%d.%d|mmol/L|3.5 to 5.5|N||F||tech||{time}\r", n+1, n, 3+n%4, n%10)
		}
		s.WriteString("L|1|N\r")
		return s.String()
	}
	s.WriteString("MSH|^~\\&|BENCH|Bench 1|LIS|Lab|{time}||ORU^R01|B{n}|P|2.3.1||||0||UNICODE\rPID|1||DEMO{n}^^^^MR||Example^Person||19840312000000|F\rOBR|1||B{n}|00001^Automated Count^99BN|||{time}|||tech1|||||{time}||||||||||HM\r")
	for n := range 12 {
		fmt.Fprintf(&s, "OBX|%d|NM|%d-%d^Analyte %02d^LN||%d.%02d|10*9/L|4.00-10.00|N|||F|||{time}\r", n+1, 6690+n, n%10, n, 4+n%5, n*7)
	}
	return s.String()
}
