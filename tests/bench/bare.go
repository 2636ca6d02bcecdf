package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"net"
)

// bare serves protocol on address until ctx ends: it frames and acknowledges,
// and does nothing else. It is the yardstick of the rates.
func bare(ctx context.Context, protocol, address string) error {
	answer := map[string]func(*bufio.Reader, net.Conn) error{"hl7": bareHL7, "astm": bareASTM}[protocol]
	if answer == nil {
		return fmt.Errorf("bare: hl7 or astm (got %q)", protocol)
	}
	l, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, func() { _ = l.Close() })
	defer stop()
	for {
		conn, err := l.Accept()
		if err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return err
		}
		go func() {
			defer conn.Close()
			r := bufio.NewReaderSize(conn, 4<<10)
			for answer(r, conn) == nil {
			}
		}()
	}
}

// bareHL7 takes one block and answers AA with its control id.
func bareHL7(r *bufio.Reader, w net.Conn) error {
	block, err := r.ReadSlice(0x1c)
	if err != nil {
		return err
	}
	fields := bytes.SplitN(block, []byte("|"), 11)
	if len(fields) < 11 {
		return fmt.Errorf("no message header")
	}
	out := make([]byte, 0, 128)
	out = append(out, "\vMSH|^~\\&|LIS|Lab|||20261123083600||ACK|1|P|2.3.1\rMSA|AA|"...)
	out = append(out, fields[9]...)
	out = append(out, "\r\x1c\r"...)
	if _, err := r.Discard(1); err != nil {
		return err
	}
	_, err = w.Write(out)
	return err
}

// bareASTM takes one byte or one frame and answers ACK, but never to EOT.
func bareASTM(r *bufio.Reader, w net.Conn) error {
	c, err := r.ReadByte()
	if err != nil {
		return err
	}
	switch c {
	case 0x04:
		return nil
	case 0x02:
		if _, err := r.ReadSlice('\n'); err != nil {
			return err
		}
	}
	_, err = w.Write([]byte{0x06})
	return err
}
