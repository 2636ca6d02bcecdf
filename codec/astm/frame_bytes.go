package astm

import (
	"encoding/binary"
	"math/bits"
)

const (
	ones  = 0x0101010101010101
	highs = 0x8080808080808080
	evens = 0x00FF00FF00FF00FF
)

// indexFraming is the index of the first STX, ETX, EOT, ENQ or ETB, or -1. It
// looks at eight bytes at a time.
func indexFraming(b []byte) int {
	i := 0
	for i+8 <= len(b) {
		x := binary.LittleEndian.Uint64(b[i:])
		low := (x - ones*(etb+1)) &^ x & highs // bytes up to ETB; the first one is exact
		if low == 0 {
			i += 8
			continue
		}
		i += bits.TrailingZeros64(low) / 8
		if isFraming(b[i]) {
			return i
		}
		i++
	}
	for ; i < len(b); i++ {
		if isFraming(b[i]) {
			return i
		}
	}
	return -1
}

func isFraming(c byte) bool { return c >= stx && c <= enq || c == etb }

// checksum is the sum of b modulo 256 (LIS01-A2 §6.3.3): from the frame
// number to ETX or ETB.
func checksum(b []byte) byte {
	var sum uint64
	for len(b) >= 8 {
		var lanes uint64 // four sums of up to 128 pairs of bytes
		n := min(len(b)/8, 128)
		for range n {
			x := binary.LittleEndian.Uint64(b)
			lanes += x&evens + x>>8&evens
			b = b[8:]
		}
		sum += lanes + lanes>>16 + lanes>>32 + lanes>>48
	}
	for _, c := range b {
		sum += uint64(c)
	}
	return byte(sum)
}

const hexDigits = "0123456789ABCDEF"

// hexValue is the value of two hexadecimal digits; lower tells that one of
// them is a small letter.
func hexValue(digits []byte) (v byte, lower, ok bool) {
	if len(digits) != 2 {
		return 0, false, false
	}
	for _, c := range digits {
		switch {
		case c >= '0' && c <= '9':
			c -= '0'
		case c >= 'A' && c <= 'F':
			c -= 'A' - 10
		case c >= 'a' && c <= 'f':
			c -= 'a' - 10
			lower = true
		default:
			return 0, false, false
		}
		v = v<<4 | c
	}
	return v, lower, true
}

// appendFrame appends a frame with number, text and terminator (LIS01-A2
// §6.3.1).
func appendFrame(b []byte, number byte, text []byte, terminator byte) []byte {
	b = append(b, stx)
	from := len(b)
	b = append(b, '0'+number)
	b = append(b, text...)
	b = append(b, terminator)
	sum := checksum(b[from:])
	return append(b, hexDigits[sum>>4], hexDigits[sum&15], cr, lf)
}
