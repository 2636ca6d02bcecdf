package hl7

import (
	"context"

	"github.com/assaybus/assaybus/codec"
)

// Serve is the receiver's side.
func (p *Protocol) Serve(ctx context.Context, conn codec.Conn, host codec.Host) error {
	panic("placeholder")
}

// Send is the sender's side.
func (p *Protocol) Send(ctx context.Context, conn codec.Conn, raw []byte) error {
	panic("placeholder")
}

func quirks() []codec.Quirk             { return nil }
func speaks(first []byte) codec.Verdict { return codec.No }
