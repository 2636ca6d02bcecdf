package web

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/assaybus/assaybus/bridge"
	"github.com/assaybus/assaybus/codec"
	"github.com/assaybus/assaybus/subjects"
)

// stateHelp is what a state means, for people.
func stateHelp(state string) string {
	switch state {
	case bridge.StateConnected:
		return "The instrument is connected and its messages are stored."
	case bridge.StateWaiting:
		return "Nobody is connected. The bridge is ready."
	case bridge.StateSilent:
		return "No message for longer than silent_after."
	case bridge.StateRefusing:
		return "The store takes no messages: the instrument is refused and keeps them."
	case bridge.StateBlocked:
		return "The bridge cannot listen where this instrument calls."
	}
	return ""
}

// eventHelp is what an event of a link means, for people.
func eventHelp(e codec.Event) string {
	switch e {
	case codec.EventTransmission:
		return "Transmissions that began."
	case codec.EventTransmitted:
		return "Transmissions that ended in good order."
	case codec.EventNakSent:
		return "We refused a frame or a message; the instrument sends it again."
	case codec.EventNakReceived:
		return "The instrument refused something that we sent."
	case codec.EventChecksum:
		return "A frame's checksum was wrong: it was damaged on the way, or is computed differently."
	case codec.EventFrameNumber:
		return "A frame had a number that was not its turn."
	case codec.EventRepeatedFrame:
		return "Retransmissions: our acknowledgement did not arrive, so the frame came again. Nothing doubles."
	case codec.EventGarbled:
		return "A frame was cut short by the next one."
	case codec.EventRestart:
		return "The instrument began anew in the middle of a session."
	case codec.EventTimeout:
		return "The instrument stopped in the middle of a transmission."
	case codec.EventBusy:
		return "The instrument's bid was refused: we were not ready."
	case codec.EventContention:
		return "Both sides wanted to send at once."
	case codec.EventNoise:
		return "Bytes outside any frame were skipped."
	case codec.EventOversize:
		return "A message was over max_message."
	case codec.EventUncorrelated:
		return "A message without a control id: it can be stored but not answered."
	case codec.EventOutside:
		return "A frame outside a session was ignored and not acknowledged."
	case codec.EventKeepAlive:
		return "Empty sessions: a sign of life."
	}
	return ""
}

// qualityEvents are the events that tell of a link's quality, worst first.
func qualityEvents() []codec.Event {
	return []codec.Event{
		codec.EventChecksum, codec.EventFrameNumber, codec.EventNakSent, codec.EventNakReceived, codec.EventRepeatedFrame, codec.EventGarbled,
		codec.EventTimeout, codec.EventRestart, codec.EventBusy, codec.EventContention, codec.EventOutside, codec.EventNoise, codec.EventOversize,
		codec.EventUncorrelated, codec.EventKeepAlive, codec.EventTransmission, codec.EventTransmitted,
	}
}

// remedy is what to do about a failure, in a sentence. Parts of continued
// messages were acknowledged, other incomplete messages were not.
func remedy(f bridge.Failure, r bridge.Reception) string {
	if f.Reason == subjects.ReasonIncomplete && (len(f.Parts) > 0 || r.Incomplete == "") {
		return "The parts that came are kept; the instrument does not have them any more. Have it send the whole again. If each of its messages is complete by itself, set dsc: separate and replay them with assaybus replay."
	}
	return nextStep(f.Reason)
}

// nextStep is what the operator can do about a failure or a refusal.
func nextStep(reason string) string {
	switch reason {
	case subjects.ReasonUnparsable:
		return "The raw message is kept. Look at it; when the options of the instrument or the program are better, replay it with assaybus replay."
	case subjects.ReasonIncomplete:
		return "It was never acknowledged, so the instrument still has it. Have it sent again; if this goes on, look at the cable, the serial converter and message_timeout."
	case subjects.ReasonOversize:
		return "Raise max_message of the instrument, or have it send less at once (images off, fewer results)."
	case subjects.ReasonUnknown:
		return "This is neither ASTM nor HL7. See whether the right equipment calls this port, and whether its protocol is set right."
	case bridge.RefusedStore, bridge.RefusedNotReady:
		return "The instrument keeps the message and repeats it. Look at the store: disk, limits, the connection to NATS."
	case bridge.RefusedConnections:
		return "Raise max_connections if the instrument needs more; else see what else calls this port."
	case bridge.RefusedAddress:
		return "Add the address to from of its instrument, or keep whatever calls away from this port."
	case bridge.RefusedMemory:
		return "The instrument repeats it. If this goes on, raise ASSAYBUS_MESSAGE_MEMORY or lower max_message."
	case bridge.RefusedUnread:
		return "The instrument does not read our answers. Look at the instrument and the converter between."
	case bridge.RefusedProtocol:
		return "What calls speaks neither ASTM nor HL7. See what it is, and whether protocol is set right."
	case bridge.RefusedTLS:
		return "The caller's TLS did not work out. Look at its certificate and at tls of the instrument."
	case bridge.RefusedProxy:
		return "The balancer in front does not send the PROXY protocol header. Switch it on there, or leave its address out of proxy_from here."
	case bridge.RefusedShutdown:
		return "The program was stopping; the instrument calls again."
	}
	return "Look at the log for this instrument."
}

// ago is how long before now t was, in words as short as they can be.
func ago(t, now time.Time) string {
	if t.IsZero() {
		return "never"
	}
	d := now.Sub(t)
	switch {
	case d < 2*time.Second:
		return "now"
	case d < time.Minute:
		return fmt.Sprintf("%d s ago", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%d min ago", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h ago", int(d.Hours()))
	}
	return fmt.Sprintf("%d days ago", int(d.Hours()/24))
}

// count writes a number with its thousands apart.
func count[N int | int64 | uint64](n N) string {
	digits := strconv.FormatInt(int64(n), 10)
	var b strings.Builder
	for i, c := range digits {
		if i > 0 && (len(digits)-i)%3 == 0 && digits[i-1] != '-' {
			b.WriteRune('\u202f') // a narrow blank that does not break
		}
		b.WriteRune(c)
	}
	return b.String()
}

// size writes bytes for people, with the unit that leaves few digits.
func size[N int | int64 | uint64](n N) string {
	f := float64(n)
	for _, unit := range []string{"B", "KiB", "MiB", "GiB"} {
		if f < 1024 {
			if unit == "B" || f >= 100 {
				return fmt.Sprintf("%.0f %s", f, unit)
			}
			return fmt.Sprintf("%.1f %s", f, unit)
		}
		f /= 1024
	}
	return fmt.Sprintf("%.1f TiB", f)
}

// period writes a duration without digits that nobody reads.
func period(d time.Duration) string {
	switch {
	case d == 0:
		return "–"
	case d < time.Second:
		return fmt.Sprintf("%g ms", float64(d.Microseconds())/1000)
	case d < time.Minute:
		return fmt.Sprintf("%g s", d.Seconds())
	}
	return strings.TrimSuffix(strings.TrimSuffix(d.Round(time.Second).String(), "0s"), "0m")
}
