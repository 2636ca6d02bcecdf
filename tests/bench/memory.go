package main

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"strings"
	"sync"
	"time"
)

// idleConnections sends one message on each connection, holds them all and
// looks at what the process has grown by.
func (b *bench) idleConnections(ctx context.Context) error {
	return b.with(ctx, func(p *process) error {
		if err := exchange(ctx, p.hl7, []byte(message("hl7")), nil); err != nil {
			return err
		}
		before, err := p.settled(ctx)
		if err != nil {
			return err
		}
		var held []net.Conn
		defer func() {
			for _, c := range held {
				_ = c.Close()
			}
		}()
		var mu sync.Mutex
		err = each(b.idle, 100, func(n int) error {
			raw := strings.ReplaceAll(message("hl7"), "{n}", fmt.Sprint(n))
			return exchange(ctx, p.hl7, []byte(raw), func(c net.Conn) {
				mu.Lock()
				defer mu.Unlock()
				held = append(held, c)
			})
		})
		if err != nil {
			return fmt.Errorf("%w (%d connections need as many open files: ulimit -n)", err, b.idle)
		}
		after, err := p.settled(ctx)
		if err != nil {
			return err
		}
		b.result.Idle = &idle{Connections: b.idle, Before: before, After: after, Each: float64(after-before) / float64(b.idle)}
		fmt.Fprintf(b.out, "%d idle connections: RSS %.1f MiB, then %.1f MiB, %.1f KiB each\n\n", b.idle, mib(before), mib(after), b.result.Idle.Each/1024)
		return nil
	})
}

// settleTime is what the program gets to notice the silence and give memory back.
const settleTime = 35 * time.Second

// settled is the least resident memory within the settle time.
func (p *process) settled(ctx context.Context) (int, error) {
	least, err := p.memory("VmRSS")
	for until := time.Now().Add(settleTime); err == nil && time.Now().Before(until); {
		select {
		case <-ctx.Done():
			return 0, ctx.Err()
		case <-time.After(500 * time.Millisecond):
		}
		var now int
		now, err = p.memory("VmRSS")
		least = min(least, now)
	}
	return least, err
}

// largeMessages sends one message of 10 MiB, then 100 of 1 MiB at once, to a
// server of its own each.
func (b *bench) largeMessages(ctx context.Context) error {
	for _, m := range []struct{ size, connections int }{{10 << 20, 1}, {1 << 20, 100}} {
		err := b.with(ctx, func(p *process) error {
			before, err := p.memory("VmHWM")
			if err != nil {
				return err
			}
			err = each(m.connections, m.connections, func(n int) error { return persist(ctx, p.hl7, large(m.size, n)) })
			if err != nil {
				return err
			}
			peak, err := p.memory("VmHWM")
			if err != nil {
				return err
			}
			r := large1{Size: m.size, Connections: m.connections, Before: before, Peak: peak, Factor: float64(peak-before) / float64(m.size*m.connections)}
			b.result.Large = append(b.result.Large, r)
			fmt.Fprintf(b.out, "%d of %.0f MiB at once: peak RSS %.0f MiB, %.0f before, %.1f times their size\n", m.connections, mib(m.size), mib(peak), mib(before), r.Factor)
			return nil
		})
		if err != nil {
			return err
		}
	}
	fmt.Fprintln(b.out)
	return nil
}

// large is a message of about size bytes, an embedded document in OBX-5.
func large(size, n int) []byte {
	head := fmt.Sprintf("MSH|^~\\&|BENCH|1|LIS|Lab|20261123083600||ORU^R01|L%d|P|2.3.1\rPID|1||DEMO%d\rOBR|1||B%d|1^Report\rOBX|1|ED|PDF^Report||^application^pdf^Base64^", n, n, n)
	return append([]byte(head), append(bytes.Repeat([]byte("QUJD"), (size-len(head)-16)/4), "||||||F\r"...)...)
}

// persist repeats a message until it is taken, as an instrument does that was
// refused because memory is bounded.
func persist(ctx context.Context, address string, raw []byte) error {
	for {
		err := exchange(ctx, address, raw, nil)
		if err == nil || ctx.Err() != nil {
			return err
		}
		select {
		case <-time.After(200 * time.Millisecond):
		case <-ctx.Done():
			return err
		}
	}
}

// exchange sends raw on a connection of its own and waits for AA; keep, if
// any, gets the connection, else it is closed.
func exchange(ctx context.Context, address string, raw []byte, keep func(net.Conn)) error {
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", address)
	if err != nil {
		return err
	}
	if keep == nil {
		defer conn.Close()
	} else {
		keep(conn)
	}
	if err := conn.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		return err
	}
	if _, err := conn.Write(append(append([]byte{0x0b}, raw...), 0x1c, '\r')); err != nil {
		return err
	}
	answer := make([]byte, 0, 1024)
	for !bytes.Contains(answer, []byte{0x1c, '\r'}) {
		n, err := conn.Read(answer[len(answer):cap(answer)])
		if err != nil {
			return err
		}
		answer = answer[:len(answer)+n]
	}
	if !bytes.Contains(answer, []byte("MSA|AA|")) {
		return fmt.Errorf("not acknowledged: %d bytes of another answer", len(answer))
	}
	return nil
}

// each runs f for 0 to n-1, some at once, and returns the first error.
func each(n, atOnce int, f func(int) error) error {
	next := make(chan int)
	failures := make(chan error, n)
	var wg sync.WaitGroup
	for range atOnce {
		wg.Go(func() {
			for i := range next {
				if err := f(i); err != nil {
					failures <- err
				}
			}
		})
	}
	for i := range n {
		next <- i
	}
	close(next)
	wg.Wait()
	select {
	case err := <-failures:
		return err
	default:
		return nil
	}
}

func mib(n int) float64 { return float64(n) / (1 << 20) }
