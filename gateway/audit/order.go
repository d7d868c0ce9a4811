package audit

import (
	"strings"
	"sync"

	"golang.org/x/text/collate"
	"golang.org/x/text/language"
)

// inOrder are the printable characters of ASCII in the order of String.prototype.localeCompare. Of a
// letter the lower case precedes the upper case, if nothing else differs.
const inOrder = " _-,;:!?.'\"()[]{}@*/\\&#%`^+<=>|~$0123456789aAbBcCdDeEfFgGhHiIjJkKlLmMnNoOpPqQrRsStTuUvVwWxXyYzZ"

// weights has the place of a character among those that differ by more than case, times two, plus one
// for upper case; 0 for what is not printable.
var weights = func() (w [256]uint8) {
	place := uint8(0)
	for i := range len(inOrder) {
		c := inOrder[i]
		if upper := c >= 'A' && c <= 'Z'; upper {
			w[c] = place + 1
			continue
		}
		place += 2
		w[c] = place
	}
	return w
}()

// compareNames is a.localeCompare(b) of JavaScript in English. It is exact for printable ASCII. For
// other text it is that of golang.org/x/text/collate, which knows an older Unicode: see the test.
func compareNames(a, b string) int {
	if c, ok := comparePrintable(a, b); ok {
		return c
	}
	c := collators.Get().(*collate.Collator)
	defer collators.Put(c)
	if order := c.CompareString(a, b); order != 0 {
		return order
	}
	return strings.Compare(a, b)
}

// comparePrintable fails on text that is not printable ASCII.
func comparePrintable(a, b string) (order int, ok bool) {
	byCase := 0
	for i := range min(len(a), len(b)) {
		x, y := weights[a[i]], weights[b[i]]
		switch {
		case x == 0 || y == 0:
			return 0, false
		case order == 0 && x>>1 != y>>1:
			order = int(x) - int(y)
		case byCase == 0:
			byCase = int(x) - int(y)
		}
	}
	for _, rest := range []string{a[min(len(a), len(b)):], b[min(len(a), len(b)):]} {
		for i := range len(rest) {
			if weights[rest[i]] == 0 {
				return 0, false
			}
		}
	}
	switch {
	case order != 0:
		return order, true
	case len(a) != len(b):
		return len(a) - len(b), true
	}
	return byCase, true
}

// collators are of English, as a server of such a web app has unless it is told otherwise.
var collators = sync.Pool{New: func() any { return collate.New(language.English) }}
