package codec_test

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/assaybus/assaybus/codec"
)

func next(t *testing.T, tokens *codec.Tokens, want string) {
	t.Helper()
	if got, err := tokens.Next(time.Time{}); err != nil || string(got) != want {
		t.Fatalf("Next = %q, %v, want %q", got, err, want)
	}
}

func TestTokens(t *testing.T) {
	for _, cuts := range [][]int{nil, {1, 2, 3, 4, 5, 6, 7, 8, 9}, {4}} {
		tokens := codec.NewTokens(codec.NewPlayback([]byte("ab\ncd\n\nef"), cuts...), bufio.ScanLines, 100)
		for _, want := range []string{"ab", "cd", "", "ef"} {
			next(t, tokens, want)
		}
		for range 2 {
			if _, err := tokens.Next(time.Time{}); !errors.Is(err, io.EOF) {
				t.Errorf("at the end: %v, want io.EOF", err)
			}
		}
	}
}

// TestTokensGrow: tokens far larger than the first buffer, and small ones
// behind them.
func TestTokensGrow(t *testing.T) {
	big := strings.Repeat("x", 100_000)
	tokens := codec.NewTokens(codec.NewPlayback([]byte("a\n"+big+"\nb\n")), bufio.ScanLines, 1<<20)
	next(t, tokens, "a")
	next(t, tokens, big)
	next(t, tokens, "b")
}

func TestTokensLimit(t *testing.T) {
	in := strings.Repeat("x", 9000)
	tokens := codec.NewTokens(codec.NewPlayback([]byte(in)), bufio.ScanLines, 5000)
	for range 2 { // half a token never becomes a whole one
		if token, err := tokens.Next(time.Time{}); !errors.Is(err, codec.ErrTooLarge) {
			t.Errorf("Next = %d bytes, %v, want ErrTooLarge", len(token), err)
		}
	}
	if got := len(tokens.Rest()); got != 5000 {
		t.Errorf("%d bytes wait, want 5000", got)
	}
}

// TestTokensDeadline: what was read before a deadline passed is kept.
func TestTokensDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ours, theirs := net.Pipe()
		defer theirs.Close()
		defer ours.Close()
		tokens := codec.NewTokens(ours, bufio.ScanLines, 100)
		go write(theirs, "hal")
		began := time.Now()
		if _, err := tokens.Next(began.Add(3 * time.Second)); !codec.IsTimeout(err) {
			t.Fatalf("Next = %v, want a timeout", err)
		}
		if took := time.Since(began); took != 3*time.Second {
			t.Errorf("it took %v, want 3s", took)
		}
		if got := string(tokens.Rest()); got != "hal" {
			t.Errorf("Rest = %q, want hal", got)
		}
		go write(theirs, "f\nmore")
		next(t, tokens, "half")
		if token, ok := tokens.Flush(); ok && string(token) != "more" {
			t.Errorf("Flush = %q", token)
		}
		synctest.Wait()
	})
}

func TestTokensRelease(t *testing.T) {
	conn := codec.NewPlayback([]byte("ab\ncd\nef"))
	tokens := codec.NewTokens(conn, bufio.ScanLines, 100)
	next(t, tokens, "ab")
	if !tokens.Release() {
		t.Error("Release = false although the Conn takes bytes back")
	}
	rest, err := io.ReadAll(conn)
	if err != nil || string(rest) != "cd\nef" {
		t.Errorf("given back %q, %v", rest, err)
	}

	tokens = codec.NewTokens(struct{ codec.Conn }{codec.NewPlayback([]byte("ab\ncd\n"))}, bufio.ScanLines, 100)
	next(t, tokens, "ab")
	if tokens.Release() {
		t.Error("Release = true although bytes wait")
	}
	next(t, tokens, "cd")
	if !tokens.Release() {
		t.Error("Release = false although nothing waits")
	}
}

func TestTokensFlush(t *testing.T) {
	tokens := codec.NewTokens(codec.NewPlayback([]byte("ab\ncd")), bufio.ScanLines, 100)
	next(t, tokens, "ab")
	if token, ok := tokens.Flush(); !ok || string(token) != "cd" {
		t.Errorf("Flush = %q, %t", token, ok)
	}
	if token, ok := tokens.Flush(); ok {
		t.Errorf("Flush of nothing = %q", token)
	}
}

func TestTokensBadSplit(t *testing.T) {
	over := func(data []byte, _ bool) (int, []byte, error) { return len(data) + 1, nil, nil }
	tokens := codec.NewTokens(codec.NewPlayback([]byte("x")), over, 100)
	if _, err := tokens.Next(time.Time{}); err == nil {
		t.Error("a split function that advances too far was not noticed")
	}
	silent := struct{ codec.Conn }{stuck{codec.NewPlayback(nil)}}
	tokens = codec.NewTokens(silent, bufio.ScanLines, 100)
	if _, err := tokens.Next(time.Time{}); !errors.Is(err, io.ErrNoProgress) {
		t.Errorf("a Conn that reads nothing: %v, want io.ErrNoProgress", err)
	}
}

type stuck struct{ *codec.Playback }

func (stuck) Read([]byte) (int, error) { return 0, nil }

func TestPlayback(t *testing.T) {
	p := codec.NewPlayback([]byte("abcdef"), 2, 3)
	b := make([]byte, 10)
	var got []string
	for {
		n, err := p.Read(b)
		if err != nil {
			if !errors.Is(err, io.EOF) {
				t.Error(err)
			}
			break
		}
		got = append(got, string(b[:n]))
		if len(got) == 2 {
			p.Unread([]byte("YZ"))
			p.Unread([]byte("X"))
			if p.Left() != 6 {
				t.Errorf("Left = %d, want 6", p.Left())
			}
		}
	}
	if s := strings.Join(got, " "); s != "ab c XYZ def" {
		t.Errorf("read %q", s)
	}
	for _, s := range []string{"x", "yz"} {
		if n, err := p.Write([]byte(s)); n != len(s) || err != nil {
			t.Errorf("Write = %d, %v", n, err)
		}
	}
	if !bytes.Equal(p.Written(), []byte("xyz")) {
		t.Errorf("written %q", p.Written())
	}
}

// write ignores how it ends: the reader's view is what is tested.
func write(w io.Writer, text string) { _, _ = io.WriteString(w, text) }
