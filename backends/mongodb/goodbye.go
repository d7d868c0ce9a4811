package mongodb

import (
	"context"

	"go.mongodb.org/mongo-driver/v2/mongo"
)

// goodbye is the context of what is left to say to the server when the work is over, also when it was cut short.
func goodbye(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), closeTime)
}

// leave closes a cursor. The server forgets one that it hears nothing of.
func leave(ctx context.Context, cursor interface{ Close(context.Context) error }) {
	ctx, cancel := goodbye(ctx)
	defer cancel()
	_ = cursor.Close(ctx)
}

func leaveSession(ctx context.Context, session *mongo.Session) {
	ctx, cancel := goodbye(ctx)
	defer cancel()
	session.EndSession(ctx)
}
