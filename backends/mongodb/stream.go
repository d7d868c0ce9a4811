package mongodb

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/secondgate/secondgate/backends"
)

// tearSize is the size of a reply from which on its last transaction may be incomplete: the server
// cuts replies at 16 MiB.
const tearSize = 4 << 20

// silentTime is how long a server may take to say that it has no event.
const silentTime = 10 * time.Second

// stream reads a change stream in groups: all events of one cluster time, which are one transaction
// or one write.
type stream struct {
	cursor *mongo.ChangeStream
	group  []event        // the events so far of a group that may be incomplete
	size   int            // of the reply so far
	at     bson.Timestamp // everything up to here has been returned
	from   bson.Timestamp // events up to here are dropped
	begin  bson.Timestamp // where the server began to read
}

// needed are the fields of events that are read. All fields would double the size of an event, and
// an event over 16 MiB ends the stream. Of the document before the event, only where it belonged
// matters. The fields of the document itself must not be listed: of two fields of one name, the
// first would come (see dedupImage).
var needed = bson.D{{Key: "$project", Value: bson.D{
	{Key: "operationType", Value: 1}, {Key: "clusterTime", Value: 1}, {Key: "fullDocument", Value: 1},
	{Key: "fullDocumentBeforeChange._id", Value: 1}, {Key: "fullDocumentBeforeChange.workspaceId", Value: 1},
	{Key: "fullDocumentBeforeChange.appId", Value: 1}, {Key: "fullDocumentBeforeChange.collection", Value: 1},
	// concerning uses these.
	{Key: "updateDescription.updatedFields.workspaceId", Value: 1},
	{Key: "updateDescription.updatedFields.appId", Value: 1},
}}}

// follow opens a stream after a cursor. wait is how long the server waits for an event.
//
// The stream begins at the cursor's own time, and drops the events of that time. Until the server
// has read on, it reports the time of the beginning as how far it has read. If the stream began
// later, that time could not be told from one that the server has really read up to.
func (b *Backend) follow(
	ctx context.Context, from cursor, wait time.Duration, stages ...bson.D,
) (*stream, error) {
	return b.followFrom(ctx, from.at, from, wait, append([]bson.D{needed}, stages...)...)
}

// followFrom is follow for a stream that begins at another time than its cursor.
func (b *Backend) followFrom(
	ctx context.Context, begin bson.Timestamp, from cursor, wait time.Duration, stages ...bson.D,
) (*stream, error) {
	o := options.ChangeStream().
		SetFullDocument(options.WhenAvailable).SetFullDocumentBeforeChange(options.WhenAvailable).
		SetShowExpandedEvents(true).SetMaxAwaitTime(wait).SetStartAtOperationTime(&begin).
		SetBatchSize(0) // the server would cut the first batch at 101 events, inside a transaction
	cursor, err := b.docs.Watch(ctx, mongo.Pipeline(stages), o)
	if hasCode(err, codeHistoryLost) {
		return nil, backends.ErrCursor
	}
	if err != nil {
		return nil, err
	}
	return &stream{cursor: cursor, at: from.at, from: from.at, begin: begin}, nil
}

func (s *stream) close(ctx context.Context) { closeCursor(ctx, s.cursor) }

// next returns the next group, or an empty one when the server has no event. After it, s.at is how
// far the stream has come. more tells that events of a later group have arrived. An error ends the
// stream.
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
		case s.size >= tearSize:
			if s.size = 0; group != nil {
				return group, false, nil // the last group is held until another event or a pause comes
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

// ask returns true if the server has an event. A server that does not answer for silentTime is
// gone: a connection that is half open shows no other sign.
func (s *stream) ask(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, silentTime)
	defer cancel()
	return s.cursor.TryNext(ctx)
}

// pause handles an empty reply: the events that are held are a whole group, and the reply tells how
// far the server has read.
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

// flush returns the group that is held.
func (s *stream) flush() []event {
	group := s.group
	s.group = nil
	s.at = group[len(group)-1].at
	return group
}

// tokenTime is the cluster time of a resume token. A token begins with a byte for the type, then
// seconds and increment, big-endian, all in hex (mongo/db/pipeline/resume_token.h; unchanged since
// 4.0).
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
