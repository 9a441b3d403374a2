package stage

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/ichor-replicator/ichor/host/cohort"
	"github.com/ichor-replicator/ichor/host/installer"
	"github.com/ichor-replicator/ichor/host/kafka"
	"github.com/ichor-replicator/ichor/host/verify"
	"github.com/ichor-replicator/ichor/host/verify/books"
)

// Books holds what the host wrote down in the cohort's database against the topic. rest says that it has
// been given all the time that it needs.
func (s *Stage) Books(ctx context.Context, topic string, c Cohort, rest books.Rest) (*books.Report, *books.Evidence, error) {
	quiet := slog.New(slog.DiscardHandler)
	evidence, err := evidenceOf(ctx, c, quiet)
	if err != nil {
		return nil, nil, fmt.Errorf("read the host's books: %w", err)
	}
	source, err := kafka.New(kafka.Options{Brokers: s.Brokers(), Topic: topic}, quiet, nil)
	if err != nil {
		return nil, nil, fmt.Errorf("read the topic: %w", err)
	}
	defer source.Close()
	log, err := verify.ReadLog(ctx, verify.Topic(source)) // AFTER the books, so that it has what they speak of
	if err != nil {
		return nil, nil, fmt.Errorf("read the topic: %w", err)
	}
	return books.Check(log, evidence, rest), evidence, nil
}

// History returns which guest converts what, as the cohort's database has it.
func (c Cohort) History(ctx context.Context) ([]cohort.Use, error) {
	in, err := installer.New(installer.Options{URL: c.URL}, slog.New(slog.DiscardHandler))
	if err != nil {
		return nil, err
	}
	state, err := in.Read(ctx)
	if err != nil {
		return nil, fmt.Errorf("read the guests' history: %w", err)
	}
	return state.History, nil
}

func evidenceOf(ctx context.Context, c Cohort, quiet *slog.Logger) (*books.Evidence, error) {
	in, err := installer.New(installer.Options{URL: c.URL}, quiet)
	if err != nil {
		return nil, err
	}
	reader, err := in.OpenReader(ctx)
	if err != nil {
		return nil, err
	}
	defer reader.Close()
	e, err := reader.Evidence(ctx)
	if err != nil {
		return nil, err
	}
	return verify.EvidenceOf(e), nil
}

// BooksError says what is wrong with a host's books.
func BooksError(r *books.Report) error {
	var errs []error
	for _, f := range r.Findings {
		errs = append(errs, fmt.Errorf("the host's books: %s, %d times: %s", f.Kind, f.Count, f.What))
	}
	return errors.Join(errs...)
}
