package hl7

import "github.com/assaybus/assaybus/codec"

// Parse decodes one message.
func (p *Protocol) Parse(raw []byte) (*codec.Message, error) {
	panic("placeholder")
}

func owns(raw []byte) bool { return false }
