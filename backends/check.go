package backends

// Levels of a Finding.
const (
	LevelOK   = "ok"
	LevelWarn = "warn" // it works, but something may surprise the operator
	LevelFail = "fail" // it does not work, or data is in danger
)

// Finding is one result of the check of a database, for its operator.
type Finding struct {
	Level string
	// What says what was found, in one sentence without a full stop.
	What string
	// Fix is what to do about it, empty if there is nothing to do.
	Fix string
}
