package astm_test

import (
	"strings"
	"testing"
	"time"

	"github.com/assaybus/assaybus/codec"
)

// However a megabyte is arranged, it costs about what a megabyte costs: work
// that grows with the square of the length takes ten times the limit.
func TestCostIsProportional(t *testing.T) {
	many := func(text string) string { return strings.Repeat(text, (1<<20)/len(text)) }
	few := func(text string) string { return strings.Repeat(text, (1<<19)/len(text)) }
	tests := map[string]string{
		"escapes":              "R|1|T|" + many("&"),
		"escapes and hex":      "R|1|T|" + many("&X4"),
		"protected delimiters": "R|1|T|" + many("&|") + many("&a"),
		"components of a test": "R|1|" + many("^") + "|5",
		"tests":                "O|1|S||" + many(`^^^A\^^^B\`),
		"specimens":            "O|1|" + many(`A\B\`),
		"query":                "Q|1|" + many(`^A\`),
		"results of no order":  many("R|1|T|5\r"),
		"error words":          "O|1|S\r" + many("R|1|T|ERROR\rR|1|T|\r"),
		"one code":             "O|1|S\r" + many("R|1|T^a|5\rR|1|T^b|5\r"),
		"two codes":            "O|1|S\r" + few("R|1|A^a|5\r") + few("R|1|B^b|5\r"),
		"failed orders":        many("O|1|S|||||||||||||||||||||||X\r"),
		"one large patient":    "P|1||" + few(`\`) + "|x|" + few("^") + "\r" + few("O|1|S\r"),
		"digits":               "R|1|T|" + many("1"),
		"a time":               "R|1|T|5|||||F||||" + many("2-"),
		"comments":             "O|1|S\r" + many("C|1|I|x\r"),
		"blank lines":          many("\r"),
		"headers":              many("H|\\^&\r"),
		"status":               "R|1|T|5|||||" + many(`W\`),
		"padding":              "R|1|T|" + many("^ "),
		"sender":               "P|1\rH|\\^&|||" + many("1.2^"),
	}
	for name, body := range tests {
		for _, o := range []codec.Options{{}, {SpecimenPath: []string{"P.3.2", "P.9", "O.3.7", "Q.3.3"}, CodeComponent: 8}} {
			raw := []byte("H|\\^&||||||||||PR\r" + body + "\rL|1|N\r")
			start := time.Now()
			if _, err := parser(t, o).Parse(raw); err != nil {
				t.Errorf("%s: %v", name, err)
			}
			if took := time.Since(start); took > 4*time.Second {
				t.Errorf("%s: %d bytes took %v", name, len(raw), took)
			}
		}
	}
}
