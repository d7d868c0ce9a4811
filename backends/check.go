package backends

// Levels of a Finding.
const (
	LevelOK   = "ok"
	LevelWarn = "warn" // it works, but something will surprise
	LevelFail = "fail" // it does not work, or data is in danger
)

// Finding is one thing that somebody who looked a database over has to tell its operator.
type Finding struct {
	Level string
	// What was found, one sentence without a full stop.
	What string
	// Fix is what to do about it, empty where there is nothing to do.
	Fix string
}
