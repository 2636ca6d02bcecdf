package hl7

import (
	"bytes"

	"github.com/assaybus/assaybus/codec"
)

// The bytes of a block and of a commit acknowledgement (MLLP release 2 §2.3).
const (
	sb  = 0x0B
	eb  = 0x1C
	cr  = 0x0D
	lf  = 0x0A
	ack = 0x06
	nak = 0x15
)

// The tolerances that the receiver notes with the message that needed them.
const (
	quirkNoEndBlock = "no-end-block" // the next block began before this one ended
	quirkNoBlockCR  = "no-block-cr"  // no CR behind the end block
	quirkUnframed   = "unframed"     // no block at all
	quirkShiftedMSH = "shifted-msh"  // MSH-9 stands in field 8 or 10
)

// tokenKind is what a token of [mllp] is.
type tokenKind int

const (
	tokenBlock     tokenKind = iota // a payload, or an unframed message
	tokenGarbled                    // a payload cut short by the next start block
	tokenCommit                     // a commit acknowledgement: one byte, ack or nak
	tokenHeartbeat                  // NUL or STX between blocks, or a block of blanks
	tokenFiller                     // CR and LF between blocks
	tokenNoise                      // anything else between blocks
)

// splitState is what the bytes that wait for more are.
type splitState int

const (
	idle     splitState = iota // nothing
	letters                    // the first letters of a bare header
	payload                    // a block without its end
	tail                       // a block with its end block, perhaps without the CR
	unframed                   // a bare message
)

// mllp is the framing of one conversation: its split method is a
// [bufio.SplitFunc] that looks at no byte twice. kind and quirk tell of the
// token that split returned last.
type mllp struct {
	max     int // bytes of one payload
	state   splitState
	scanned int  // bytes of data that need not be looked at again
	msh     bool // unframed: the MSH has been seen
	broken  bool // the connection failed: its end does not end an unframed message
	kind    tokenKind
	quirk   string
}

// ending is how the block that split returned last was delimited.
func (m *mllp) ending() codec.FrameEnd {
	switch m.quirk {
	case quirkNoBlockCR:
		return codec.EndNoCR
	case quirkNoEndBlock:
		return codec.EndNoFS
	case quirkUnframed:
		return codec.EndUnframed
	}
	return codec.EndMLLP
}

// split takes a block, an unframed message or a run of what stands between
// them off data. At the end of data a block that has its end block and an
// unframed message are tokens; a block without its end never is.
func (m *mllp) split(data []byte, atEOF bool) (int, []byte, error) {
	if len(data) == 0 {
		return 0, nil, nil
	}
	var advance int
	var token []byte
	var err error
	switch m.state {
	case idle, letters:
		advance, token, err = m.splitIdle(data, atEOF)
	case payload, tail:
		advance, token, err = m.splitBlock(data, atEOF)
	case unframed:
		advance, token, err = m.splitUnframed(data, atEOF)
	}
	if advance > 0 {
		m.state, m.scanned, m.msh = idle, 0, false
	}
	return advance, token, err
}

func (m *mllp) splitIdle(data []byte, atEOF bool) (int, []byte, error) {
	if data[0] == sb {
		m.state, m.scanned = payload, 1
		return m.splitBlock(data, atEOF)
	}
	switch v := startsMessage(data); {
	case v == codec.Yes:
		m.state, m.scanned, m.msh = unframed, 3, data[0] == 'M'
		return m.splitUnframed(data, atEOF)
	case v == codec.Maybe && !atEOF:
		m.state = letters
		return 0, nil, nil
	}
	m.kind, m.quirk = between(data[0]), ""
	n := 1
	for n < len(data) && between(data[n]) == m.kind && data[n] != sb && startsMessage(data[n:]) == codec.No {
		n++
	}
	return n, data[:n], nil
}

// between is what a byte outside any block is. Mindray BC-5800 sends 0x02
// every 3 s, others pad with NUL.
func between(b byte) tokenKind {
	switch b {
	case cr, lf:
		return tokenFiller
	case 0x00, 0x02:
		return tokenHeartbeat
	}
	return tokenNoise
}

// splitBlock scans a payload; data[0] is its start block.
func (m *mllp) splitBlock(data []byte, atEOF bool) (int, []byte, error) {
	m.state = payload
	i := m.scanned
	for ; i < len(data); i++ {
		for i+stride < len(data) && isText(data[i:i+stride]) {
			i += stride
		}
		if i-1 > m.max {
			break
		}
		switch data[i] {
		case sb:
			if i == 1 {
				return 1, nil, nil // a doubled start block
			}
			switch v := startsMessage(data[i+1:]); {
			case v == codec.Yes && (data[i-1] == cr || data[i-1] == lf):
				return m.block(data, i, i, quirkNoEndBlock)
			case v == codec.Yes:
				// In mid segment: the sender began again. Delivered, the two
				// would be one message with the results of both.
				m.kind, m.quirk = tokenGarbled, ""
				return i, data[1:i], nil
			case v == codec.Maybe && !atEOF:
				m.scanned = i
				return 0, nil, m.limit(i - 1)
			}
		case eb:
			if i+1 == len(data) && !atEOF {
				m.state, m.scanned = tail, i
				return 0, nil, m.limit(i - 1)
			}
			if next, quirk, ends := endsBlock(data, i); ends {
				return m.block(data, i, next, quirk)
			}
		}
	}
	m.scanned = i
	return 0, nil, m.limit(i - 1)
}

// stride is how many bytes of text are passed at once.
const stride = 128

func isText(b []byte) bool { return bytes.IndexByte(b, eb) < 0 && bytes.IndexByte(b, sb) < 0 }

// endsBlock tells whether the end block at data[i] ends the payload and where
// the next token begins. An end block that only looks like one is text.
func endsBlock(data []byte, i int) (next int, quirk string, ends bool) {
	next = i + 1
	if next == len(data) {
		return next, quirkNoBlockCR, true
	}
	switch data[next] {
	case cr:
		if next++; next < len(data) && data[next] == lf {
			next++
		}
		return next, "", true
	case lf:
		return next + 1, quirkNoBlockCR, true
	case sb, 0x00, 0x02:
		return next, quirkNoBlockCR, true
	}
	// A payload that ends with its last segment's CR, or a commit
	// acknowledgement, is complete whatever follows.
	complete := data[i-1] == cr || data[i-1] == lf || i == 2 && (data[1] == ack || data[1] == nak)
	return next, quirkNoBlockCR, complete
}

// block is the token of the payload data[1:end].
func (m *mllp) block(data []byte, end, next int, quirk string) (int, []byte, error) {
	if err := m.limit(end - 1); err != nil {
		return 0, nil, err
	}
	body := data[1:end]
	m.kind, m.quirk = tokenBlock, quirk
	switch {
	case len(body) == 1 && (body[0] == ack || body[0] == nak):
		m.kind, m.quirk = tokenCommit, ""
	case len(bytes.Trim(body, " \r\n\x00")) == 0:
		m.kind, m.quirk = tokenHeartbeat, ""
	}
	return next, body, nil
}

// splitUnframed scans a message without a block; it ends at an end block, at
// the next message or block, and when nothing follows.
func (m *mllp) splitUnframed(data []byte, atEOF bool) (int, []byte, error) {
	i := m.scanned
	for ; i < len(data) && i <= m.max; i++ {
		switch data[i] {
		case eb:
			return m.bare(data, i, i+1)
		case sb, cr, lf:
			v := startsMessage(data[i+1:])
			if v == codec.Maybe && !atEOF {
				m.scanned = i
				return 0, nil, m.limit(i)
			}
			switch {
			case v != codec.Yes:
			case data[i] == sb:
				return m.bare(data, i, i)
			case m.msh:
				return m.bare(data, i+1, i+1)
			default:
				m.msh = data[i+1] == 'M' // an envelope goes with its first message
			}
		}
	}
	m.scanned = i
	if atEOF && !m.broken && i == len(data) {
		return m.bare(data, i, i)
	}
	return 0, nil, m.limit(i)
}

func (m *mllp) bare(data []byte, end, next int) (int, []byte, error) {
	if err := m.limit(end); err != nil {
		return 0, nil, err
	}
	m.kind, m.quirk = tokenBlock, quirkUnframed
	return next, data[:end], nil
}

func (m *mllp) limit(n int) error {
	if n > m.max {
		return codec.ErrTooLarge
	}
	return nil
}
