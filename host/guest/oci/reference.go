package oci

import (
	"errors"
	"fmt"
	"net"
	"strings"

	"github.com/opencontainers/go-digest"
	"oras.land/oras-go/v2/registry"
)

// The schemes of a Reference.
const (
	registryScheme = "oci://"
	layoutScheme   = "oci-layout://"
)

// Reference names a manifest: in a registry, as in oci://registry/name:tag or oci://registry/name@sha256:…,
// or in a directory, as in oci-layout://directory:tag.
type Reference struct {
	place  string // registry/name, or the directory
	layout bool
	Tag    string
	Digest string // of the manifest, sha256: and hexadecimal digits; that or Tag is empty
}

// ParseReference reads a reference.
func ParseReference(text string) (r Reference, err error) {
	rest, remote := strings.CutPrefix(text, registryScheme)
	if !remote {
		if rest, r.layout = strings.CutPrefix(text, layoutScheme); !r.layout {
			return r, fmt.Errorf("%q is no reference: write oci://registry/name:tag, oci://registry/name@sha256:…, or oci-layout://directory:tag", text)
		}
	}
	if name, _, _ := strings.Cut(rest, "/"); remote && strings.Contains(name, "@") {
		return Reference{}, errors.New("a reference names a user, and maybe a password: leave them out, a registry's credentials are Docker's, as docker login keeps them")
	}
	place, by, pinned := strings.Cut(rest, "@")
	if pinned {
		d, err := digest.Parse(by)
		if err != nil || d.Algorithm() != digest.SHA256 {
			return r, fmt.Errorf("%q has no digest after @: want sha256: and 64 hexadecimal digits", text)
		}
		r.Digest = by
	}
	// A colon behind the last slash is before a tag; one before is before a port.
	if colon := strings.LastIndex(place, ":"); colon > strings.LastIndex(place, "/") {
		place, r.Tag = place[:colon], place[colon+1:]
	}
	if pinned {
		r.Tag = "" // the digest says more
	}
	r.place = place
	if r.Tag == "" && r.Digest == "" {
		return r, fmt.Errorf("%q has neither a tag nor a digest: write :tag or @sha256:… behind it", text)
	}
	if r.layout {
		if place == "" {
			return r, fmt.Errorf("%q names no directory", text)
		}
		return r, nil
	}
	if _, err := registry.ParseReference(place + r.separated()); err != nil {
		return r, fmt.Errorf("%q is no reference: %w", text, err)
	}
	return r, nil
}

// separated returns tag or digest with what stands before it.
func (r Reference) separated() string {
	if r.Digest != "" {
		return "@" + r.Digest
	}
	return ":" + r.Tag
}

// reference returns tag or digest.
func (r Reference) reference() string { return r.separated()[1:] }

// String returns what ParseReference reads.
func (r Reference) String() string {
	if r.layout {
		return layoutScheme + r.place + r.separated()
	}
	return registryScheme + r.place + r.separated()
}

// Pinned returns the reference to the manifest of a digest, whatever becomes of the tag.
func (r Reference) Pinned(digest string) Reference {
	r.Tag, r.Digest = "", digest
	return r
}

// host returns the registry's host, with its port.
func (r Reference) host() string {
	host, _, _ := strings.Cut(r.place, "/")
	return host
}

// loopback reports whether a host, with or without a port, is this machine.
func loopback(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	ip := net.ParseIP(strings.Trim(host, "[]"))
	return host == "localhost" || ip != nil && ip.IsLoopback()
}
