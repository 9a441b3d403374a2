package oci_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/ichor-replicator/ichor/abi"
	"github.com/ichor-replicator/ichor/host/guest"
	"github.com/ichor-replicator/ichor/host/guest/oci"
	"github.com/ichor-replicator/ichor/host/guest/trust"
)

const (
	configType   = "application/vnd.wasm.config.v0+json"
	layerType    = "application/wasm"
	manifestType = "application/vnd.oci.image.manifest.v1+json"
)

var wasm = []byte("\x00asm of which nobody reads more")

func parse(t *testing.T, text string) oci.Reference {
	t.Helper()
	r, err := oci.ParseReference(text)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// pull bounds a pull, so that one that would never end fails.
func pull(t *testing.T, from string) (*oci.Pulled, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	pulled, err := oci.Pull(ctx, parse(t, from), oci.Options{})
	if errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("it does not end by itself: %v", err)
	}
	return pulled, err
}

func signed(t *testing.T) (trust.Module, trust.Policy) {
	t.Helper()
	key, err := trust.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	s, err := trust.Sign(key, guest.DigestOf(wasm), "banking")
	if err != nil {
		t.Fatal(err)
	}
	return trust.NewModule(wasm, s.String()), trust.Policy{Keys: []trust.PublicKey{key.Public()}}
}

// TestModuleGoesThereAndComesBack pushes to a registry and to a directory, and pulls by tag and by digest.
func TestModuleGoesThereAndComesBack(t *testing.T) {
	module, policy := signed(t)
	registry := newRegistry(t)
	layout := "oci-layout://" + filepath.Join(t.TempDir(), "layout")
	var manifests []string
	for _, place := range []string{registry.reference(""), layout} {
		for range 2 { // the second time everything is there
			manifest, err := oci.Push(t.Context(), parse(t, place+":v1"), "banking.wasm", module, oci.Options{})
			if err != nil {
				t.Fatal(err)
			}
			manifests = append(manifests, manifest)
		}
		for _, behind := range []string{":v1", "@" + manifests[0], ":v2@" + manifests[0]} {
			pulled, err := pull(t, place+behind)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(pulled.Module.Bytes, wasm) || pulled.Manifest != manifests[0] {
				t.Errorf("%s: got %q of %s", behind, pulled.Module.Bytes, pulled.Manifest)
			}
			if s, err := policy.Check("banking", pulled.Module); err != nil || s == nil {
				t.Errorf("%s: the signature: %v", behind, err)
			}
		}
		for _, behind := range []string{":v2", "@" + digestOf(nil)} {
			if _, err := pull(t, place+behind); err == nil {
				t.Errorf("%s is there", place+behind)
			}
		}
		if _, err := oci.Push(t.Context(), parse(t, place+"@"+manifests[0]), "banking.wasm", module, oci.Options{}); err == nil {
			t.Errorf("%s: it is pushed to a digest", place)
		}
	}
	for _, m := range manifests {
		if m != manifests[0] {
			t.Errorf("the same module has the manifests %v", manifests)
		}
	}
	var manifest struct {
		MediaType string
		Config    struct{ MediaType string }
		Layers    []struct{ MediaType, Digest string }
	}
	if err := json.Unmarshal(registry.manifests["v1"], &manifest); err != nil || manifest.MediaType != manifestType || manifest.Config.MediaType != configType ||
		len(manifest.Layers) != 1 || manifest.Layers[0].MediaType != layerType || manifest.Layers[0].Digest != "sha256:"+guest.DigestOf(wasm).String() {
		t.Errorf("the manifest is %s, %v", registry.manifests["v1"], err)
	}
}

// manifestOf returns a manifest of parts in JSON.
func manifestOf(config string, layers ...string) []byte {
	return fmt.Appendf(nil, `{"schemaVersion":2,"mediaType":%q,"config":%s,"layers":[%s]}`, manifestType, config, strings.Join(layers, ","))
}

// TestHostileManifests has a registry that keeps what is no module.
func TestHostileManifests(t *testing.T) {
	r := newRegistry(t)
	config, layer := r.keep(configType, []byte("{}")), r.keep(layerType, wasm)
	good := manifestOf(config, layer)
	for name, c := range map[string]struct {
		manifest []byte
		says     string
	}{
		"two layers":              {manifestOf(config, layer, layer), "it has 2 layers"},
		"no layer":                {manifestOf(config), "it has 0 layers"},
		"a layer of another type": {manifestOf(config, r.keep("application/vnd.oci.image.layer.v1.tar", wasm)), `the module is of type "application/vnd.oci.image.layer.v1.tar"`},
		"a config of another":     {manifestOf(r.keep("application/vnd.oci.image.config.v1+json", []byte("{}")), layer), "the config is of type"},
		"a layer said too large":  {manifestOf(config, descriptor(layerType, digestOf(wasm), abi.MaxModule+1)), fmt.Sprintf("the module has %d bytes, at most %d", abi.MaxModule+1, abi.MaxModule)},
		"a layer said smaller":    {manifestOf(config, descriptor(layerType, digestOf(wasm), len(wasm)-1)), "cannot be read"},
		"a layer said larger":     {manifestOf(config, descriptor(layerType, digestOf(wasm), len(wasm)+1)), "cannot be read"},
		"a layer of minus one":    {manifestOf(config, descriptor(layerType, digestOf(wasm), -1)), "the module has -1 bytes"},
		"a layer that lacks":      {manifestOf(config, descriptor(layerType, digestOf([]byte("x")), 1)), "cannot be read"},
		"a digest of another way": {manifestOf(config, descriptor(layerType, "sha512:"+strings.Repeat("0", 128), 3)), "a digest of sha512"},
		"a digest that is a path": {manifestOf(config, descriptor(layerType, "../../etc/passwd", 3)), "a digest that is none"},
		"a config said too large": {manifestOf(descriptor(configType, digestOf(nil), 1<<30), layer), "the config has"},
		"a manifest too large":    {append(bytes.Repeat([]byte(" "), 300<<10), good...), "the manifest has"},
		"no JSON":                 {[]byte("{"), "its manifest is not one"},
		"an index":                {bytes.Replace(good, []byte("image.manifest"), []byte("image.index"), 1), "its manifest is of type"},
		"schema 1":                {bytes.Replace(good, []byte(`"schemaVersion":2`), []byte(`"schemaVersion":1`), 1), "schema 1"},
	} {
		t.Run(name, func(t *testing.T) {
			for _, behind := range []string{":bad", "@" + r.put("bad", c.manifest)} {
				_, err := pull(t, r.reference(behind))
				var refused *oci.ContentError
				if !errors.As(err, &refused) || !strings.Contains(err.Error(), c.says) {
					t.Errorf("%s: got %v, want one that says %q", behind, err, c.says)
				}
			}
		})
	}
	if _, err := pull(t, r.reference("@"+r.put("good", good))); err != nil {
		t.Error(err)
	}
}

// TestHostileRegistries answers otherwise than what it was asked for.
func TestHostileRegistries(t *testing.T) {
	endless := func(w http.ResponseWriter, r *http.Request) {
		zeros := make([]byte, 64<<10)
		for r.Context().Err() == nil {
			if _, err := w.Write(zeros); err != nil {
				return
			}
		}
	}
	elsewhere := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(wasm) }))
	defer elsewhere.Close()
	for name, c := range map[string]struct {
		kind   string // of what it answers wrongly
		answer http.HandlerFunc
		says   string // empty: it is taken
	}{
		"another module":              {"blobs", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(bytes.ToUpper(wasm)) }, "cannot be read"},
		"a module cut short":          {"blobs", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(wasm[:5]) }, "cannot be read"},
		"a module without an end":     {"blobs", endless, "cannot be read"},
		"another manifest":            {"manifests", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(`{"schemaVersion":2}`)) }, "bad"},
		"a manifest without an end":   {"manifests", endless, "bad"},
		"a redirect to the module":    {"blobs", http.RedirectHandler(elsewhere.URL, http.StatusTemporaryRedirect).ServeHTTP, ""},
		"a redirect without HTTPS":    {"blobs", http.RedirectHandler("http://registry.invalid/x", http.StatusTemporaryRedirect).ServeHTTP, "redirects to http://registry.invalid, without encryption"},
		"a redirect to a file":        {"blobs", http.RedirectHandler("file:///etc/passwd", http.StatusTemporaryRedirect).ServeHTTP, "redirects to file://"},
		"redirects without an end":    {"blobs", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, r.URL.Path, http.StatusFound) }, "redirects more than 3 times"},
		"no module":                   {"blobs", func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "", http.StatusInternalServerError) }, "cannot be read"},
		"a login that nobody gave it": {"manifests", func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "", http.StatusUnauthorized) }, "bad"},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRegistry(t)
			digest := r.put("bad", manifestOf(r.keep(configType, []byte("{}")), r.keep(layerType, wasm)))
			r.instead = func(w http.ResponseWriter, req *http.Request) bool {
				if req.Method != http.MethodGet || !strings.Contains(req.URL.Path, "/"+c.kind+"/") || strings.HasSuffix(req.URL.Path, digestOf([]byte("{}"))) {
					return false
				}
				if c.kind == "manifests" {
					w.Header().Set("Content-Type", manifestType)
				}
				c.answer(w, req)
				return true
			}
			for _, behind := range []string{":bad", "@" + digest} {
				pulled, err := pull(t, r.reference(behind))
				switch {
				case c.says == "" && (err != nil || !bytes.Equal(pulled.Module.Bytes, wasm)):
					t.Errorf("%s: %v", behind, err)
				case c.says != "" && (err == nil || !strings.Contains(err.Error(), c.says) && !strings.Contains(err.Error(), digest)):
					t.Errorf("%s: got %v, want one that says %q", behind, err, c.says)
				}
			}
		})
	}
}

// TestRegistryThatGivesAnotherManifest answers a pull by digest with a manifest that it calls by the
// digest that was asked for.
func TestRegistryThatGivesAnotherManifest(t *testing.T) {
	r := newRegistry(t)
	digest := r.put("good", manifestOf(r.keep(configType, []byte("{}")), r.keep(layerType, wasm)))
	other := manifestOf(r.keep(configType, []byte("{}")), r.keep(layerType, []byte("another module")))
	r.instead = func(w http.ResponseWriter, req *http.Request) bool {
		if !strings.Contains(req.URL.Path, "/manifests/") {
			return false
		}
		w.Header().Set("Content-Type", manifestType)
		w.Header().Set("Docker-Content-Digest", digest)
		w.Header().Set("Content-Length", fmt.Sprint(len(other)))
		if req.Method == http.MethodGet {
			_, _ = w.Write(other)
		}
		return true
	}
	if pulled, err := pull(t, r.reference("@"+digest)); err == nil {
		t.Errorf("it is taken as %s", pulled.Manifest)
	}
}

// TestHostileDirectories has a layout whose files are not what they seem.
func TestHostileDirectories(t *testing.T) {
	module, _ := signed(t)
	for name, harm := range map[string]func(index, layer string) error{
		"a FIFO as index":        func(index, _ string) error { return errors.Join(os.Remove(index), syscall.Mkfifo(index, 0o600)) },
		"a FIFO as module":       func(_, layer string) error { return errors.Join(os.Remove(layer), syscall.Mkfifo(layer, 0o600)) },
		"a device as module":     func(_, layer string) error { return errors.Join(os.Remove(layer), os.Symlink("/dev/zero", layer)) },
		"an index of gigabytes":  func(index, _ string) error { return os.Truncate(index, 4<<30) },
		"a module of gigabytes":  func(_, layer string) error { return os.Truncate(layer, 4<<30) },
		"another module":         func(_, layer string) error { return os.WriteFile(layer, bytes.ToUpper(wasm), 0o600) },
		"no module":              func(_, layer string) error { return os.Remove(layer) },
		"a way out of directory": func(_, layer string) error { return errors.Join(os.Remove(layer), os.Symlink("/etc/passwd", layer)) },
		"an index that is not":   func(index, _ string) error { return os.WriteFile(index, []byte("x"), 0o600) },
	} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "layout")
			if _, err := oci.Push(t.Context(), parse(t, "oci-layout://"+dir+":v1"), "banking.wasm", module, oci.Options{}); err != nil {
				t.Fatal(err)
			}
			layer := filepath.Join(dir, "blobs", "sha256", guest.DigestOf(wasm).String())
			if err := os.Chmod(layer, 0o600); err != nil {
				t.Fatal(err)
			}
			if err := harm(filepath.Join(dir, "index.json"), layer); err != nil {
				t.Fatal(err)
			}
			if _, err := pull(t, "oci-layout://"+dir+":v1"); err == nil {
				t.Error("it is taken")
			}
		})
	}
	if _, err := pull(t, "oci-layout://"+filepath.Join(t.TempDir(), "none")+":v1"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a directory that is not there: %v", err)
	}
}

// TestPlainHTTPIsForThisMachine looks at what would be asked of a registry elsewhere.
func TestPlainHTTPIsForThisMachine(t *testing.T) {
	newRegistry(t)
	over, cancel := context.WithCancel(t.Context())
	cancel() // so that it is not asked
	for plain, want := range map[bool]string{false: `"https://registry.invalid/`, true: `"http://registry.invalid/`} {
		_, err := oci.Pull(over, parse(t, "oci://registry.invalid/a@"+digestOf(nil)), oci.Options{PlainHTTP: plain})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("with plain HTTP %v: %v", plain, err)
		}
	}
}

func TestReferences(t *testing.T) {
	digest := digestOf(nil)
	for text, want := range map[string]string{
		"oci://localhost:5000/a/b:v1":           "",
		"oci://registry.example/a@" + digest:    "",
		"oci://registry.example/a:v1@" + digest: "oci://registry.example/a@" + digest,
		"oci-layout://./a/b:v1":                 "",
		"oci-layout:///a.b/c@" + digest:         "",
	} {
		if want == "" {
			want = text
		}
		if r, err := oci.ParseReference(text); err != nil || r.String() != want {
			t.Errorf("%s is %s, %v", text, r, err)
		}
	}
	for _, text := range []string{
		"", "banking.wasm", "docker://a/b:v1", "oci://a/b", "oci://a:v1", "oci://localhost:5000/a", "oci://a/B:v1", "oci://a/b:", "oci://a/b@sha256:00",
		"oci://a/b@sha512:" + strings.Repeat("0", 128), "oci://a/b@", "oci://u:p@a/b:v1", "oci:///b:v1", "oci-layout://", "oci-layout://a", "oci-layout://:v1", "oci-layout://a:",
	} {
		if r, err := oci.ParseReference(text); err == nil {
			t.Errorf("%q is %s", text, r)
		}
	}
}
