package codectest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing/synctest"
	"time"

	"github.com/assaybus/assaybus/codec"
)

// do plays one step; everything that can happen without time passing has
// happened before and after it.
func (d *dialogue) do(s step) error {
	synctest.Wait()
	fmt.Fprintf(&d.log, "%4d  %s %s\n", s.line, s.verb, s.text)
	switch s.verb {
	case ">":
		d.toWrite <- s.bytes
	case "<":
		return d.expect(s.bytes)
	case "<~":
		return d.expectMatch(s.text)
	case "wait", "pass":
		return d.pass(s)
	case "store", "ready":
		return d.answer(s)
	case "stored":
		all := d.host.Received()
		if d.nextStored >= len(all) {
			return errors.New("nothing more was stored")
		}
		d.named = all[d.nextStored]
		d.nextStored++
		return same(d.named.Raw, s.bytes)
	case "incomplete":
		return d.givenUp(s, codec.ErrIncomplete)
	case "oversize":
		return d.givenUp(s, codec.ErrTooLarge)
	case "send":
		return d.order(s.bytes)
	case "sent":
		return d.sentAs(s.text)
	case "hangup":
		return d.theirs.Close()
	case "stop":
		d.cancel()
	case "closed":
		err := d.end()
		if err == nil {
			return errors.New("we have not ended")
		}
		if !strings.Contains(err.Error(), s.text) {
			return fmt.Errorf("we ended with: %w", err)
		}
	case "frames", "batch", "sender", "needed", "unended":
		return d.came(s)
	case "event", "quirk", "detected":
		return d.counted(s)
	default:
		return errors.New("unknown verb")
	}
	return nil
}

func (d *dialogue) expect(want []byte) error {
	if got := d.take(len(want)); !bytes.Equal(got, want) {
		return fmt.Errorf("we wrote %s, want %s", Pictures(append(got, d.unnamed()...)), Pictures(want))
	}
	return nil
}

// expectMatch takes one MLLP block, or everything if there is none.
func (d *dialogue) expectMatch(pattern string) error {
	b, err := Bytes(pattern)
	if err != nil {
		return err
	}
	re, err := regexp.Compile(`(?s)\A(?:` + string(b) + `)\z`)
	if err != nil {
		return err
	}
	got := d.unnamed()
	if i := bytes.Index(got, []byte("\x1c\r")); i >= 0 {
		got = got[:i+2]
	}
	d.take(len(got))
	if !re.Match(got) {
		return fmt.Errorf("we wrote %s", Pictures(got))
	}
	return nil
}

func (d *dialogue) pass(s step) error {
	long, err := time.ParseDuration(s.text)
	if err != nil {
		return err
	}
	if b := d.unnamed(); s.verb == "wait" && len(b) > 0 {
		return fmt.Errorf("we wrote %s before", Pictures(b))
	}
	time.Sleep(long)
	synctest.Wait()
	if b := d.unnamed(); s.verb == "wait" && len(b) > 0 {
		return fmt.Errorf("we wrote %s", Pictures(b))
	}
	return nil
}

func (d *dialogue) answer(s step) error {
	for word := range strings.FieldsSeq(s.text) {
		switch s.verb + " " + word {
		case "store ok":
			d.host.Answer(nil)
		case "store fail":
			d.host.Answer(ErrStore)
		case "store reject":
			d.host.Answer(codec.ErrReject)
		case "store toolarge":
			d.host.Answer(codec.ErrTooLarge)
		case "ready yes":
			d.host.SetReady(nil)
		case "ready no":
			d.host.SetReady(ErrStore)
		default:
			return fmt.Errorf("unknown answer %q", word)
		}
	}
	return nil
}

func (d *dialogue) givenUp(s step, why error) error {
	all := d.host.GivenUp()
	if d.nextGivenUp >= len(all) {
		return errors.New("nothing more was given up")
	}
	g := all[d.nextGivenUp]
	d.nextGivenUp++
	d.named = g.Delivery
	if !errors.Is(g.Why, why) {
		return fmt.Errorf("given up because of: %w", g.Why)
	}
	if s.text == "" {
		return nil
	}
	return same(g.Raw, s.bytes)
}

// came compares what came with the message that was named last.
func (d *dialogue) came(s step) error {
	got := ""
	switch s.verb {
	case "frames":
		got = string(d.named.Frames)
	case "batch":
		got = d.named.Batch
	case "sender":
		got = d.named.Sender
	case "needed":
		got = strings.Join(d.named.Quirks, ",")
	case "unended":
		got = map[bool]string{true: "yes", false: "no"}[d.named.Unended]
	}
	if got != s.text {
		return fmt.Errorf("%s %q", s.verb, got)
	}
	return nil
}

func (d *dialogue) sentAs(want string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.nextSent >= len(d.sent) {
		return errors.New("still sending")
	}
	err := d.sent[d.nextSent]
	d.nextSent++
	got := "error"
	switch {
	case err == nil:
		got = "ok"
	case errors.Is(err, codec.ErrYield):
		got = "yield"
	case errors.Is(err, codec.ErrNoReply):
		got = "noreply"
	case errors.Is(err, codec.ErrRefused), errors.Is(err, codec.ErrReject):
		got = "refused"
	case errors.Is(err, context.Canceled):
		got = "canceled"
	}
	if got != want {
		return fmt.Errorf("sent %s: %w", got, err)
	}
	return nil
}

func (d *dialogue) counted(s step) error {
	name, times, exact := strings.Cut(s.text, " ")
	var got int
	switch s.verb {
	case "event":
		got = d.host.Events(codec.Event(name))
	case "quirk":
		got = d.host.Quirks(name)
	default:
		if all := d.host.Protocols(); !slices.Contains(all, name) {
			return fmt.Errorf("detected %v", all)
		}
		return nil
	}
	if !exact {
		if got == 0 {
			return errors.New("never counted")
		}
		return nil
	}
	want, err := strconv.Atoi(times)
	if err == nil && got != want {
		err = fmt.Errorf("counted %d times", got)
	}
	return err
}

func same(got, want []byte) error {
	if !bytes.Equal(got, want) {
		return fmt.Errorf("got %s, want %s", Pictures(got), Pictures(want))
	}
	return nil
}
