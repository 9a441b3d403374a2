package oci

import (
	"context"
	"fmt"
	"io/fs"
	"net/http"
	"net/netip"
	"os"
	"time"

	"oras.land/oras-go/v2"
	"oras.land/oras-go/v2/content/oci"
	"oras.land/oras-go/v2/registry/remote"
	"oras.land/oras-go/v2/registry/remote/auth"
	"oras.land/oras-go/v2/registry/remote/credentials"

	"github.com/ichor-replicator/ichor/abi"
)

// Bounds on what a registry may do beside sending.
const (
	redirectsMost = 3
	headerTime    = 30 * time.Second // until an answer begins
)

// Options say how registries are reached.
type Options struct {
	// PlainHTTP allows HTTP without encryption to whatever registry; else it is for this machine alone.
	PlainHTTP bool
}

// repository returns the registry's repository. Credentials are those of Docker's settings.
func (o Options) repository(r Reference) (*remote.Repository, error) {
	repo, err := remote.NewRepository(r.place)
	if err != nil {
		return nil, err
	}
	store, err := credentials.NewStoreFromDocker(credentials.StoreOptions{})
	if err != nil {
		return nil, fmt.Errorf("read Docker's settings for the credentials of %s: %w", r.host(), err)
	}
	here := loopback(r.host())
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.ResponseHeaderTimeout = headerTime
	client := &auth.Client{
		Client: &http.Client{Transport: transport, CheckRedirect: o.redirects(here)},
		Cache:  auth.NewCache(), Credential: credentials.Credential(store),
	}
	if here {
		client.BlockedRealmPrefixes = []netip.Prefix{} // its tokens are this machine's too
	}
	client.SetUserAgent("ichor")
	repo.Client, repo.PlainHTTP = client, o.PlainHTTP || here
	return repo, nil
}

// redirects says which redirects are followed: registries send readers of layers elsewhere, but not to
// where nothing is encrypted, and not to the reader's own machine.
func (o Options) redirects(here bool) func(*http.Request, []*http.Request) error {
	return func(to *http.Request, before []*http.Request) error {
		switch local := loopback(to.URL.Host); {
		case len(before) > redirectsMost:
			return fmt.Errorf("the registry redirects more than %d times", redirectsMost)
		case local && !here:
			return fmt.Errorf("the registry redirects to this machine, %s", to.URL.Host)
		case to.URL.Scheme == "https" || to.URL.Scheme == "http" && (o.PlainHTTP || local):
			return nil
		}
		return fmt.Errorf("the registry redirects to %s://%s, without encryption: --plain-http allows that", to.URL.Scheme, to.URL.Host)
	}
}

// from opens what a reference is read from. The caller calls done at the end.
func (o Options) from(ctx context.Context, r Reference) (from oras.ReadOnlyTarget, done func() error, err error) {
	if !r.layout {
		from, err = o.repository(r)
		return from, func() error { return nil }, err
	}
	root, err := os.OpenRoot(r.place)
	if err != nil {
		return nil, nil, err
	}
	if from, err = oci.NewFromFS(ctx, regularFiles{root.FS()}); err != nil {
		_ = root.Close() // nothing was written
		return nil, nil, err
	}
	return from, root.Close, nil
}

// to opens what a reference is written to; a directory that is not there is made.
func (o Options) to(ctx context.Context, r Reference) (oras.Target, error) {
	if r.layout {
		return oci.NewWithContext(ctx, r.place)
	}
	return o.repository(r)
}

// regularFiles are the files of a directory that are bearable to read.
type regularFiles struct{ files fs.FS }

// Open implements fs.FS.
func (r regularFiles) Open(name string) (fs.File, error) {
	info, err := fs.Stat(r.files, name) // BEFORE it is opened: a FIFO would wait for its writer
	if err != nil {
		return nil, err
	}
	if !info.IsDir() && (!info.Mode().IsRegular() || info.Size() > abi.MaxModule) {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fmt.Errorf("it is no file of at most %d bytes", abi.MaxModule)}
	}
	return r.files.Open(name)
}
