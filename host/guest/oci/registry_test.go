package oci_test

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
)

// registry is one in this process: as much of the distribution API as a push and a pull need.
type registry struct {
	*httptest.Server
	mu        sync.Mutex
	blobs     map[string][]byte // by digest
	manifests map[string][]byte // by tag and by digest
	// instead answers a request in the registry's stead, if it returns true.
	instead func(w http.ResponseWriter, r *http.Request) bool
}

func newRegistry(t *testing.T) *registry {
	t.Helper()
	t.Setenv("DOCKER_CONFIG", t.TempDir()) // nobody's credentials
	r := &registry{blobs: map[string][]byte{}, manifests: map[string][]byte{}}
	r.Server = httptest.NewServer(r)
	t.Cleanup(r.Close)
	return r
}

// reference names something in repository guests/banking.
func (r *registry) reference(behind string) string {
	return "oci://" + strings.TrimPrefix(r.URL, "http://") + "/guests/banking" + behind
}

func digestOf(content []byte) string {
	sum := sha256.Sum256(content)
	return "sha256:" + hex.EncodeToString(sum[:])
}

// put keeps a manifest under a tag and its digest, which it returns.
func (r *registry) put(tag string, manifest []byte) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.manifests[tag], r.manifests[digestOf(manifest)] = manifest, manifest
	return digestOf(manifest)
}

// keep keeps a blob and returns its descriptor.
func (r *registry) keep(mediaType string, content []byte) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.blobs[digestOf(content)] = content
	return descriptor(mediaType, digestOf(content), len(content))
}

func descriptor(mediaType, digest string, size int) string {
	return fmt.Sprintf(`{"mediaType":%q,"digest":%q,"size":%d}`, mediaType, digest, size)
}

// ServeHTTP implements http.Handler.
func (r *registry) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	if r.instead != nil && r.instead(w, req) {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	path := strings.TrimPrefix(req.URL.Path, "/v2/guests/banking/")
	kind, name, _ := strings.Cut(path, "/")
	switch {
	case req.Method == http.MethodPost && path == "blobs/uploads/":
		w.Header().Set("Location", "/v2/guests/banking/blobs/uploads/1")
		w.WriteHeader(http.StatusAccepted)
	case req.Method == http.MethodPut:
		content, err := io.ReadAll(req.Body)
		digest := digestOf(content)
		if asked := req.URL.Query().Get("digest"); err != nil || kind == "blobs" && asked != digest {
			http.Error(w, "another digest", http.StatusBadRequest)
			return
		}
		if kind == "blobs" {
			r.blobs[digest] = content
		} else {
			r.manifests[name], r.manifests[digest] = content, content
		}
		w.Header().Set("Docker-Content-Digest", digest)
		w.WriteHeader(http.StatusCreated)
	case req.Method == http.MethodGet || req.Method == http.MethodHead:
		content, known := r.manifests[name]
		if kind == "blobs" {
			content, known = r.blobs[name]
		}
		if !known {
			http.Error(w, "unknown", http.StatusNotFound)
			return
		}
		if w.Header().Set("Content-Type", "application/octet-stream"); kind == "manifests" {
			w.Header().Set("Content-Type", "application/vnd.oci.image.manifest.v1+json")
		}
		w.Header().Set("Docker-Content-Digest", digestOf(content))
		w.Header().Set("Content-Length", fmt.Sprint(len(content)))
		if req.Method == http.MethodGet {
			_, _ = w.Write(content)
		}
	default:
		http.Error(w, "no such deed", http.StatusMethodNotAllowed)
	}
}
