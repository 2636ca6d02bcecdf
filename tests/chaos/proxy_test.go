//go:build unix

package main

import (
	"bufio"
	"io"
	"net"
	"testing"
	"time"
)

// A partition passes nothing and hangs up on nobody; what was sent in it
// arrives afterwards.
func TestProxyPartition(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() { // an echo
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() { defer c.Close(); _, _ = io.Copy(c, c) }()
		}
	}()
	p, err := newProxy(l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer p.close()
	c, err := net.Dial("tcp", p.addr())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	r := bufio.NewReader(c)
	say := func(text string) {
		if _, err := io.WriteString(c, text+"\n"); err != nil {
			t.Fatal(err)
		}
	}
	hear := func(wait time.Duration) string {
		_ = c.SetReadDeadline(time.Now().Add(wait))
		text, _ := r.ReadString('\n')
		return text
	}
	if say("one"); hear(5*time.Second) != "one\n" {
		t.Fatal("nothing passes")
	}
	p.partition()
	if say("two"); hear(200*time.Millisecond) != "" {
		t.Error("a partition that leaks")
	}
	p.heal()
	if got := hear(5 * time.Second); got != "two\n" {
		t.Errorf("after the partition: %q", got)
	}
}
