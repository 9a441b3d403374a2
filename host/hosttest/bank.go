package hosttest

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/ichor-replicator/ichor/host/kafka/kafkatest"
	"github.com/ichor-replicator/ichor/host/talos/talostest"
)

// Recorded returns the records of a recorded topic as a broker plays them, with their positions.
func Recorded(records []talostest.Record) []kafkatest.Recorded {
	log := make([]kafkatest.Recorded, len(records))
	for i, r := range records {
		log[i] = kafkatest.Recorded{Offset: int64(r.Position), Aborted: r.Aborted, Marker: r.Control,
			Message: kafkatest.Message{Time: time.UnixMilli(r.TimeMillis), Key: r.Key, Value: r.Value}}
		for _, h := range r.Headers {
			log[i].Headers = append(log[i].Headers, kafkatest.Header(h))
		}
	}
	return log
}

// BankDigest returns the talostest.BankDigest of the accounts that some version has touched.
func BankDigest(ctx context.Context, conn *pgx.Conn) (string, error) {
	rows, err := conn.Query(ctx, "select number, amount::numeric(20,5)::text, version from bank_accounts where version > 0")
	if err != nil {
		return "", fmt.Errorf("read the bank: %w", err)
	}
	all, err := pgx.CollectRows(rows, pgx.RowToStructByPos[talostest.BankRow])
	if err != nil {
		return "", fmt.Errorf("read the bank: %w", err)
	}
	return talostest.BankDigest(all), nil
}
