package mongodb

import (
	"context"

	"go.mongodb.org/mongo-driver/v2/mongo"
)

// shutdownContext is for what is left to tell the server when a call is over. It also works if the
// call was cut short.
func shutdownContext(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), closeTime)
}

// closeCursor closes a cursor. If it fails, the server drops the cursor after a while.
func closeCursor(ctx context.Context, cursor interface{ Close(context.Context) error }) {
	ctx, cancel := shutdownContext(ctx)
	defer cancel()
	_ = cursor.Close(ctx)
}

func endSession(ctx context.Context, session *mongo.Session) {
	ctx, cancel := shutdownContext(ctx)
	defer cancel()
	session.EndSession(ctx)
}
