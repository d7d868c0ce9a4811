package protocol

import (
	"bytes"
	"errors"
	"math"
	"strconv"

	"github.com/go-json-experiment/json/jsontext"
)

// MaxDepth is how deeply a document may nest, its root object included.
const MaxDepth = 64

// maxExact is 2^53-1, the greatest integer below which doubles hold every integer (RFC 7493 §2.2).
const maxExact = 1<<53 - 1

// Canonical checks a document's data and returns its RFC 8785 form; src is left alone.
//
// Data is I-JSON (RFC 7493): an object; no duplicate names, no U+0000, no lone surrogates, valid
// UTF-8; every number a double, and an integer literal exact. It fails with invalid_json when src
// is no JSON, and with invalid_document when it breaks one of those rules.
//
// It allocates at most 64 times len(src), the worst case being an object of many short names:
// callers that take bytes from strangers bound the bytes being parsed at once.
func Canonical(src []byte) ([]byte, error) {
	return canonicalObject(src, literalInteger)
}

// CanonicalDecimals is Canonical for text of a database that writes every number in decimals, such
// as PostgreSQL's jsonb: an integer of any length is taken if a double has exactly its canonical
// form, as 1e300 has.
func CanonicalDecimals(src []byte) ([]byte, error) {
	return canonicalObject(src, decimalInteger)
}

func canonicalObject(src []byte, integer integerRule) ([]byte, error) {
	out, err := canonicalBy(src, MaxDepth, integer)
	if err != nil {
		return nil, err
	}
	if out[0] != '{' {
		return nil, Errorf(CodeInvalidDocument, "a document must be a JSON object")
	}
	return out, nil
}

// canonicalValue is Canonical for any JSON value nested at most maxDepth deep.
func canonicalValue(src []byte, maxDepth int) ([]byte, error) {
	return canonicalBy(src, maxDepth, literalInteger)
}

func canonicalBy(src []byte, maxDepth int, integer integerRule) ([]byte, error) {
	out := jsontext.Value(bytes.Clone(src))
	if err := out.Canonicalize(); err != nil {
		return nil, jsonError(src, err)
	}
	// From here on src is known to be JSON, so the walk below needs to know little of it.
	if err := checkLiterals(src, maxDepth, integer); err != nil {
		return nil, err
	}
	return out, nil
}

// jsonError tells text that is no JSON from JSON that I-JSON forbids.
func jsonError(src []byte, err error) error {
	if errors.Is(err, jsontext.ErrDuplicateName) {
		return Errorf(CodeInvalidDocument, "an object has the same name twice: names must be unique")
	}
	if jsontext.Value(src).IsValid(jsontext.AllowInvalidUTF8(true), jsontext.AllowDuplicateNames(true)) {
		return Errorf(CodeInvalidDocument, "the text holds invalid UTF-8 or a lone surrogate: send valid Unicode")
	}
	if tooDeep(src) {
		return errTooDeep(MaxDepth)
	}
	var syntax *jsontext.SyntacticError
	if errors.As(err, &syntax) {
		return Errorf(CodeInvalidJSON, "the text is not valid JSON near byte %d", syntax.ByteOffset)
	}
	return Errorf(CodeInvalidJSON, "the text is not valid JSON")
}

func errTooDeep(maxDepth int) error {
	return Errorf(CodeInvalidDocument, "the value nests deeper than %d levels", maxDepth)
}

// tooDeep tells whether text that jsontext refused may have been refused for its depth alone.
func tooDeep(src []byte) bool {
	return bytes.Count(src, []byte("["))+bytes.Count(src, []byte("{")) > 10_000
}

// checkLiterals walks valid JSON and refuses what canonicalisation would accept and change, or a
// database would not keep: U+0000, numbers out of range, integers that a double rounds, too deep
// nesting.
func checkLiterals(src []byte, maxDepth int, integer integerRule) error {
	level := 0
	for i := 0; i < len(src); {
		switch c := src[i]; {
		case c == '"':
			n := skipString(src[i:])
			if bytes.Contains(src[i:i+n], []byte(`\u0000`)) && hasNUL(src[i:i+n]) {
				return Errorf(CodeInvalidDocument, "the text holds the character U+0000, which databases do not keep")
			}
			i += n
		case c == '{' || c == '[':
			if level++; level > maxDepth {
				return errTooDeep(maxDepth)
			}
			i++
		case c == '}' || c == ']':
			level--
			i++
		case c == '-' || c >= '0' && c <= '9':
			n := numberLen(src[i:])
			if err := checkNumber(src[i:i+n], integer); err != nil {
				return err
			}
			i += n
		default:
			i++
		}
	}
	return nil
}

// hasNUL tells an escaped NUL from an escaped backslash that "u0000" follows.
func hasNUL(quoted []byte) bool {
	for i := 0; i < len(quoted); i++ {
		if quoted[i] != '\\' {
			continue
		}
		if bytes.HasPrefix(quoted[i:], []byte(`\u0000`)) {
			return true
		}
		i++
	}
	return false
}

func numberLen(b []byte) int {
	for i, c := range b {
		switch {
		case c >= '0' && c <= '9', c == '-', c == '+', c == '.', c == 'e', c == 'E':
		default:
			return i
		}
	}
	return len(b)
}

// checkNumber accepts a literal of up to 15 digits at a glance: it fits a double exactly.
func checkNumber(literal []byte, integer integerRule) error {
	fraction := bytes.ContainsAny(literal, ".eE")
	if !fraction && len(literal) <= 15 {
		return nil
	}
	f, err := strconv.ParseFloat(string(literal), 64)
	if err != nil || math.IsInf(f, 0) {
		return Errorf(
			CodeInvalidDocument, "the number %s is beyond the range of a double: send it as a string", short(literal),
		)
	}
	if !fraction && math.Abs(f) > maxExact {
		own := jsontext.Value(bytes.Clone(literal))
		if own.Canonicalize() != nil || !integer(own, literal) {
			return Errorf(CodeInvalidDocument, "the integer %s would be rounded: send it as a string", short(literal))
		}
	}
	return nil
}

// integerRule tells whether an integer beyond what doubles hold exactly is as good as its canonical
// form.
type integerRule func(own, literal []byte) bool

// literalInteger: the text is the canonical form itself.
func literalInteger(own, literal []byte) bool { return bytes.Equal(own, literal) }

// decimalInteger: the canonical form, which may have an exponent, stands for the same decimal
// number.
func decimalInteger(own, literal []byte) bool {
	mantissa, exponent, scaled := bytes.Cut(own, []byte("e+"))
	if !scaled {
		return bytes.Equal(own, literal)
	}
	shift, err := strconv.Atoi(string(exponent))
	whole, fraction, _ := bytes.Cut(mantissa, []byte("."))
	if err != nil || len(literal) != len(whole)+shift {
		return false
	}
	digits := append(bytes.Clone(whole), fraction...)
	rest, found := bytes.CutPrefix(literal, digits)
	return found && len(bytes.Trim(rest, "0")) == 0
}

func short(literal []byte) string {
	if len(literal) > 30 {
		return string(literal[:30]) + "…"
	}
	return string(literal)
}
