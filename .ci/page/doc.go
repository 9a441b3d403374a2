// Package page has no code, only tests: the page of host/admin in a real browser, above the real handlers and a fake
// host. CHROME names the browser; `make page` runs them, and `make page-shots` takes pictures of every section.
package page
