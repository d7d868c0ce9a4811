package mongodbtest

import (
	"bytes"
	"encoding/json"
	"strconv"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// object is JSON text as a program stores it that reads it with encoding/json and keeps the order
// of names: integers as int64, other numbers as doubles, nothing as Extended JSON.
func object(text string) (bson.D, error) {
	decoder := json.NewDecoder(bytes.NewReader([]byte(text)))
	decoder.UseNumber()
	v, err := value(decoder)
	if err != nil {
		return nil, err
	}
	d, _ := v.(bson.D)
	return d, nil
}

func value(decoder *json.Decoder) (any, error) {
	token, err := decoder.Token()
	if err != nil {
		return nil, err
	}
	switch t := token.(type) {
	case json.Delim:
		if t == '{' {
			return members(decoder)
		}
		return elements(decoder)
	case json.Number:
		return number(string(t)), nil
	}
	return token, nil
}

func members(decoder *json.Decoder) (any, error) {
	d := bson.D{}
	for decoder.More() {
		name, err := decoder.Token()
		if err != nil {
			return nil, err
		}
		v, err := value(decoder)
		if err != nil {
			return nil, err
		}
		d = append(d, bson.E{Key: name.(string), Value: v})
	}
	_, err := decoder.Token()
	return d, err
}

func elements(decoder *json.Decoder) (any, error) {
	a := bson.A{}
	for decoder.More() {
		v, err := value(decoder)
		if err != nil {
			return nil, err
		}
		a = append(a, v)
	}
	_, err := decoder.Token()
	return a, err
}

func number(literal string) any {
	if n, err := strconv.ParseInt(literal, 10, 64); err == nil && !strings.HasPrefix(literal, "-0") {
		return n
	}
	f, _ := strconv.ParseFloat(literal, 64) // infinite beyond the range
	return f
}
