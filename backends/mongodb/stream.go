package mongodb

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/secondgate/secondgate/backends"
)

// tearing is the size of a reply from which on its last transaction may not be whole: the server cuts replies at 16 MiB.
const tearing = 4 << 20

// deadTime is how long a server may take to say that there is nothing to tell.
const deadTime = 10 * time.Second

// errDropped: the collection was dropped or renamed, and nothing of the stream is left.
var errDropped = errors.New("the collection was dropped or renamed")

// stream is a change stream, read in groups: all that happened at one cluster time, which is a transaction, or a write.
type stream struct {
	cursor *mongo.ChangeStream
	group  []event
	size   int            // of the reply
	at     bson.Timestamp // everything up to here has been taken
	from   bson.Timestamp // where everything up to here had been taken at first
	begin  bson.Timestamp // where the server began to look
}

// event is what the server tells of one document.
type event struct {
	op     string
	at     bson.Timestamp
	doc    bson.Raw // nil: there is none, or no image of it was kept
	before bson.Raw // its place alone
}

// needed are the fields of events that are read. Others would double an event's size, and one over 16 MiB ends the stream:
// of what a document was before, only the place matters. Fields of the document itself must not be picked here: of two of
// one name, the first would be (see [moved]).
var needed = bson.D{{Key: "$project", Value: bson.D{
	{Key: "operationType", Value: 1}, {Key: "clusterTime", Value: 1}, {Key: "fullDocument", Value: 1},
	{Key: "fullDocumentBeforeChange._id", Value: 1}, {Key: "fullDocumentBeforeChange.workspaceId", Value: 1},
	{Key: "fullDocumentBeforeChange.appId", Value: 1}, {Key: "fullDocumentBeforeChange.collection", Value: 1},
	{Key: "updateDescription.updatedFields.workspaceId", Value: 1}, {Key: "updateDescription.updatedFields.appId", Value: 1}, // see concerning
}}}

// follow opens a stream after a cursor. wait is how long the server waits for something to tell.
//
// It begins at the cursor's own time, whose events are dropped: until the server has read on, what it says of how far it
// has looked is the time of the beginning, which from a later one could not be told from having looked there.
func (b *Backend) follow(ctx context.Context, from cursor, wait time.Duration, stages ...bson.D) (*stream, error) {
	return b.followFrom(ctx, from.at, from, wait, append([]bson.D{needed}, stages...)...)
}

// followFrom is follow for a stream that begins at a time of its own.
func (b *Backend) followFrom(ctx context.Context, begin bson.Timestamp, from cursor, wait time.Duration, stages ...bson.D) (*stream, error) {
	o := options.ChangeStream().SetFullDocument(options.WhenAvailable).SetFullDocumentBeforeChange(options.WhenAvailable).
		SetShowExpandedEvents(true).SetMaxAwaitTime(wait).SetStartAtOperationTime(&begin).
		SetBatchSize(0) // the first batch would be cut at 101 events, through a transaction
	cursor, err := b.docs.Watch(ctx, mongo.Pipeline(stages), o)
	if hasCode(err, codeHistoryLost) {
		return nil, backends.ErrCursor
	}
	if err != nil {
		return nil, err
	}
	return &stream{cursor: cursor, at: from.at, from: from.at, begin: begin}, nil
}

func (s *stream) close(ctx context.Context) { leave(ctx, s.cursor) }

// next reads until a group is complete, or the server has nothing to tell, which gives an empty one. After either, s.at is
// how far the stream has come; more tells that another group has come already. An error ends the stream.
func (s *stream) next(ctx context.Context) (group []event, more bool, err error) {
	for {
		if !s.ask(ctx) {
			return s.pause()
		}
		e, err := parseEvent(s.cursor.Current)
		if err != nil {
			return nil, false, err
		}
		if s.size += len(s.cursor.Current); !e.at.After(s.from) {
			continue
		}
		if len(s.group) > 0 && e.at != s.group[0].at {
			group = s.flush()
		}
		s.group = append(s.group, e)
		switch end := s.cursor.RemainingBatchLength() == 0; {
		case !end && group != nil:
			return group, true, nil
		case !end:
		case s.size >= tearing:
			if s.size = 0; group != nil {
				return group, false, nil // the last one is held until another comes, or nothing
			}
		case group != nil:
			s.size = 0
			return append(group, s.flush()...), false, nil
		default:
			s.size = 0
			return s.flush(), false, nil
		}
	}
}

// ask takes the next event, if there is one. A server that says nothing at all for that long is not there: nobody else
// notices that a connection is half open.
func (s *stream) ask(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, deadTime)
	defer cancel()
	return s.cursor.TryNext(ctx)
}

// pause is what an empty reply tells: that whatever is held is whole, and how far the server has looked.
func (s *stream) pause() ([]event, bool, error) {
	if err := s.cursor.Err(); err != nil {
		return nil, false, err
	}
	if s.cursor.ID() == 0 {
		return nil, false, errDropped
	}
	s.size = 0
	if len(s.group) > 0 {
		return s.flush(), false, nil
	}
	if at, ok := tokenTime(s.cursor.ResumeToken()); ok && at.After(s.at) && at.After(s.begin) {
		s.at = at
	}
	return nil, false, nil
}

func (s *stream) flush() []event {
	group := s.group
	s.group = nil
	s.at = group[len(group)-1].at
	return group
}

func parseEvent(raw bson.Raw) (e event, err error) {
	e.op, _ = raw.Lookup("operationType").StringValueOK()
	t, i, ok := raw.Lookup("clusterTime").TimestampOK()
	if !ok {
		return e, errors.New("an event of the change stream has no clusterTime")
	}
	e.at = bson.Timestamp{T: t, I: i}
	if doc, ok := raw.Lookup("fullDocument").DocumentOK(); ok {
		if e.doc = append(bson.Raw(nil), doc...); e.op == "update" {
			e.doc = moved(e.doc)
		}
	}
	if before, ok := raw.Lookup("fullDocumentBeforeChange").DocumentOK(); ok {
		e.before = append(bson.Raw(nil), before...)
	}
	return e, nil
}

// tokenTime is the cluster time that a resume token begins with: hex of a byte for the type, then seconds and increment,
// big-endian (mongo/db/pipeline/resume_token.h; unchanged since 4.0).
func tokenTime(token bson.Raw) (at bson.Timestamp, ok bool) {
	text, ok := token.Lookup("_data").StringValueOK()
	if !ok || len(text) < 18 {
		return at, false
	}
	b, err := hex.DecodeString(text[:18])
	if err != nil || b[0] != 0x82 {
		return at, false
	}
	return bson.Timestamp{T: binary.BigEndian.Uint32(b[1:]), I: binary.BigEndian.Uint32(b[5:])}, true
}
