package admin

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"encoding/json"
	"io/fs"
	"net/http"
	"path"
	"strings"
	"time"

	"github.com/ichor-replicator/ichor/host/status"
)

// pageFiles are the page: what a browser loads, as it is written. There is no step that builds it.
//
//go:embed page
var pageFiles embed.FS

// pagePolicy lets the page load what this host serves, and ask this host; nothing else, and nothing that is written
// into a document.
const pagePolicy = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; " +
	"frame-ancestors 'none'; base-uri 'none'; form-action 'none'"

// pageTypes are those of its files; a machine's own table of types is not asked.
var pageTypes = map[string]string{
	".html": "text/html; charset=utf-8", ".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8",
	".svg": "image/svg+xml", ".txt": "text/plain; charset=utf-8",
}

// pageFile is a file of the page, with what a browser compares it by.
type pageFile struct {
	name, kind, tag string
	content         []byte
}

// page returns the files of the page by their paths. The document itself is the path "/".
func page() (map[string]pageFile, error) {
	files := map[string]pageFile{}
	err := fs.WalkDir(pageFiles, "page", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		content, err := pageFiles.ReadFile(name)
		files["/"+name] = newPageFile(name, content)
		return err
	})
	if err != nil {
		return nil, err
	}
	reasons, err := reasonsModule()
	files["/page/reasons.js"] = newPageFile("reasons.js", reasons)
	files["/"] = files["/page/index.html"]
	delete(files, "/page/index.html")
	return files, err
}

func newPageFile(name string, content []byte) pageFile {
	sum := sha256.Sum256(content)
	return pageFile{name: name, kind: pageTypes[path.Ext(name)], tag: `"` + hex.EncodeToString(sum[:8]) + `"`, content: content}
}

// reasonsModule writes what is explained of the reasons as a module of the page, so that the page, the README and
// the terminal say the same.
func reasonsModule() ([]byte, error) {
	type explained struct {
		Sentence string `json:"sentence"`
		Remedy   string `json:"remedy"`
	}
	reasons := map[status.Reason]explained{}
	for _, e := range status.Explained {
		reasons[e.Reason] = explained{e.Sentence, e.Remedy}
	}
	text, err := json.MarshalIndent(reasons, "", "\t")
	return []byte("// What status.Explained says of each reason.\nexport const reasons = " + string(text) + ";\n"), err
}

// ServeHTTP implements http.Handler. A browser asks each time whether the file is still the same, for the host may
// be another one by then.
func (f pageFile) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Type", f.kind)
	h.Set("Content-Security-Policy", pagePolicy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Cache-Control", "no-cache")
	h.Set("ETag", f.tag)
	http.ServeContent(w, r, f.name, time.Time{}, bytes.NewReader(f.content))
}

// servePage adds the paths of the page, which are open: they say nothing of the cohort.
func servePage(mux *http.ServeMux) {
	files, err := page()
	if err != nil {
		panic("the page is not in the program as it was built: " + err.Error())
	}
	for name, file := range files {
		if strings.HasSuffix(name, "/") {
			name += "{$}" // this path alone
		}
		mux.Handle("GET "+name, file)
	}
}
