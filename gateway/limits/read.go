package limits

import "io"

// Free is how many bytes of a text are read without room. Nearly all texts are shorter, and a
// connection costs as much anyway.
const Free = 16 << 10

// Read reads a client's text to its end. Beyond Free it asks for room before it reads on, step by
// step with what has come: whoever announces much and sends nothing holds nothing. What it asks for
// is never small, or clients that send half of a text would fill what is kept for the small. room is
// what it was given, which the caller releases, after an error too. It fails as acquire does or as r
// does.
func Read(r io.Reader, acquire func(n int) (room int, err error)) (text []byte, room int, err error) {
	text = make([]byte, 0, 512)
	for {
		n, err := r.Read(text[len(text):cap(text)])
		text = text[:len(text)+n]
		switch {
		case err == io.EOF:
			return text, room, nil
		case err != nil:
			return nil, room, err
		case len(text) < cap(text):
			continue
		}
		if lacking := 2*cap(text) - Free - room; lacking > 0 { // the buffer doubles
			more, err := acquire(max(lacking, Small+1))
			room += more
			if err != nil {
				return nil, room, err
			}
		}
		text = append(make([]byte, 0, 2*cap(text)), text...)
	}
}
