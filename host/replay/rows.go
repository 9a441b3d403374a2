package replay

import (
	"bufio"
	"context"
	"encoding/gob"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/ichor-replicator/ichor/host/installer"
	"github.com/ichor-replicator/ichor/host/verify"
)

// kept are the rows of tables in a file, so that they can be compared after the database has gone back: one
// transaction cannot have both states, and two would wait for each other's rows.
type kept struct {
	file   *os.File
	tables []*installer.Table
}

// keepRows writes the rows of tables to a file in the directory for temporary ones, which the caller must
// remove.
func keepRows(ctx context.Context, from verify.TableReader, tables []*installer.Table) (k *kept, err error) {
	k = &kept{tables: tables}
	if k.file, err = os.CreateTemp("", "ichor-replay-"); err != nil {
		return nil, fmt.Errorf("keep the rows of the scratch database: %w", err)
	}
	buffered := bufio.NewWriter(k.file)
	encoder := gob.NewEncoder(buffered)
	for _, t := range tables {
		if err = keepTable(ctx, encoder, from, t); err != nil {
			break
		}
	}
	if err == nil {
		err = buffered.Flush()
	}
	if err == nil {
		_, err = k.file.Seek(0, io.SeekStart)
	}
	if err != nil {
		k.remove()
		return nil, fmt.Errorf("keep the rows of the scratch database: %w", err)
	}
	return k, nil
}

// keepTable writes the rows of one, and behind them one that is none.
func keepTable(ctx context.Context, into *gob.Encoder, from verify.TableReader, t *installer.Table) error {
	rows, err := from.Rows(ctx, t)
	if err != nil {
		return err
	}
	defer rows.Close()
	for {
		row, err := rows.Next()
		if err != nil {
			return err
		}
		if err := into.Encode(keptRow{row}); err != nil || row == nil {
			return err
		}
	}
}

// keptRow is a row in the file; nil ends a table.
type keptRow struct{ Row *installer.Row }

// compare compares the rows, once, with those that the database has now.
func (k *kept) compare(ctx context.Context, with verify.TableReader) (reports []*verify.TableReport, err error) {
	decoder := gob.NewDecoder(bufio.NewReader(k.file))
	for _, t := range k.tables {
		rows, err := with.Rows(ctx, t)
		if err != nil {
			return nil, err
		}
		r, err := verify.CompareRows(&keptTable{from: decoder}, rows, func(string) bool { return false })
		rows.Close()
		if err != nil {
			return nil, err
		}
		r.Table, r.LeftOut = t.Name, t.LeftOut
		reports = append(reports, r)
	}
	return reports, nil
}

// remove removes the file.
func (k *kept) remove() {
	// It was only read, or is of no use.
	_ = errors.Join(k.file.Close(), os.Remove(k.file.Name()))
}

// keptTable reads the rows of one table.
type keptTable struct {
	from *gob.Decoder
	done bool
}

// Next implements verify.RowReader.
func (t *keptTable) Next() (*installer.Row, error) {
	if t.done {
		return nil, nil //nolint:nilnil // the end of the rows
	}
	var row keptRow
	if err := t.from.Decode(&row); err != nil {
		return nil, fmt.Errorf("read the rows that were kept: %w", err)
	}
	t.done = row.Row == nil
	return row.Row, nil
}
