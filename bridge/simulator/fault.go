package simulator

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
)

// Fault is one way to misbehave; its value is the name in flags and counts.
type Fault string

// The faults.
const (
	FaultNoise       Fault = "noise"
	FaultBadChecksum Fault = "bad-checksum"
	FaultSplit       Fault = "split"
	FaultSlow        Fault = "slow"
	FaultCoalesce    Fault = "coalesce"
	FaultLostAck     Fault = "lost-ack"
	FaultGarbledAck  Fault = "garbled-ack"
	FaultRepeat      Fault = "repeat"
	FaultContention  Fault = "contention"
	FaultEnqStorm    Fault = "enq-storm"
	FaultAbort       Fault = "abort"
	FaultCut         Fault = "cut"
	FaultHalfOpen    Fault = "half-open"
)

// Faults are all faults, in the order in which they strike one frame.
func Faults() []Fault {
	return []Fault{
		FaultNoise, FaultBadChecksum, FaultSplit, FaultSlow, FaultCoalesce,
		FaultLostAck, FaultGarbledAck, FaultRepeat, FaultContention, FaultEnqStorm,
		FaultAbort, FaultCut, FaultHalfOpen,
	}
}

// Help says in one line what the fault does; it is empty for no fault of ours.
func (f Fault) Help() string {
	switch f {
	case FaultNoise:
		return "bytes that mean nothing before a frame or block"
	case FaultBadChecksum:
		return "one byte of an ASTM frame is wrong (HL7 has no checksum: no effect)"
	case FaultSplit:
		return "a frame or block arrives in pieces"
	case FaultSlow:
		return "a frame or block arrives byte by byte"
	case FaultCoalesce:
		return "two things in one write: EOT with the next ENQ, an HL7 block with its repeat"
	case FaultLostAck:
		return "a reply does not arrive: the message is sent again after the reply timer"
	case FaultGarbledAck:
		return "a reply arrives as noise: an ASTM sender repeats the frame"
	case FaultRepeat:
		return "a frame or block that was acknowledged is sent a second time"
	case FaultContention:
		return "the reply to ENQ reads as the host's own ENQ: the instrument bids again"
	case FaultEnqStorm:
		return "many ENQ before the one that counts"
	case FaultAbort:
		return "EOT in the middle of a message"
	case FaultCut:
		return "the connection is cut at any byte of a frame or block"
	case FaultHalfOpen:
		return "silence in the middle of a frame or block, with the connection left open"
	}
	return ""
}

// Chances are the probabilities, 0 to 1, that a fault strikes one attempt at a
// message. Of one message the first three attempts can be struck, so that
// every message gets through in the end.
type Chances map[Fault]float64

// ErrFault is a fault specification that cannot be understood.
var ErrFault = errors.New("fault")

// ParseChances reads specifications such as "bad-checksum=0.1,cut=0.02"; the
// name "all" stands for every fault. Its errors wrap [ErrFault].
func ParseChances(specs ...string) (Chances, error) {
	c := Chances{}
	for _, spec := range specs {
		for item := range strings.SplitSeq(spec, ",") {
			if strings.TrimSpace(item) == "" {
				continue
			}
			if err := c.set(item); err != nil {
				return nil, err
			}
		}
	}
	return c, nil
}

func (c Chances) set(item string) error {
	name, value, ok := strings.Cut(strings.TrimSpace(item), "=")
	if !ok {
		return fmt.Errorf("%w %q: write name=probability, for example cut=0.02", ErrFault, item)
	}
	chance, err := strconv.ParseFloat(value, 64)
	if err != nil || !(chance >= 0 && chance <= 1) {
		return fmt.Errorf("%w %s: probability %q is not a number from 0 to 1", ErrFault, name, value)
	}
	switch f := Fault(name); {
	case name == "all":
		for _, f := range Faults() {
			c[f] = chance
		}
	case f.Help() != "":
		c[f] = chance
	default:
		return fmt.Errorf("%w %q is unknown: take all or one of %s", ErrFault, name, strings.Join(faultNames(), ", "))
	}
	return nil
}

// String is the specification that ParseChances reads.
func (c Chances) String() string {
	var items []string
	for _, f := range slices.Sorted(maps.Keys(c)) {
		items = append(items, fmt.Sprintf("%s=%g", f, c[f]))
	}
	return strings.Join(items, ",")
}

// roll draws the faults of one attempt. It draws for every fault in a fixed
// order, so that one seed gives one play.
func (c Chances) roll(r *rand.Rand) []Fault {
	if len(c) == 0 {
		return nil
	}
	var struck []Fault
	for _, f := range Faults() {
		if r.Float64() < c[f] {
			struck = append(struck, f)
		}
	}
	return struck
}

func faultNames() []string {
	var names []string
	for _, f := range Faults() {
		names = append(names, string(f))
	}
	return names
}
