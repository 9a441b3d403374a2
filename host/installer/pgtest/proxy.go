//go:build unix

package pgtest

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// Proxy stands between a client and a server and does what networks, poolers and dying servers
// do. What it is told holds for the connections that are there and for those to come. Its methods
// may be called from any goroutine.
type Proxy struct {
	name     string // of the database
	listener net.Listener

	mu       sync.Mutex
	server   *Server
	fault    Fault
	weather  Weather
	delay    time.Duration
	drops    bool // start-up parameters
	sessions map[*session]bool
	begun    int // how many sessions there were
	wait     sync.WaitGroup

	staggering staggering
}

// Fault is what goes wrong at the next COMMIT of a lane.
type Fault int

// The faults; each happens once.
const (
	NoFault Fault = iota
	// FatalAfterCommit lets the server commit, and answers FATAL 57P01 instead of its answer: a
	// backend that is shut down says so after its commit.
	FatalAfterCommit
	// CutBeforeCommit closes both connections before the COMMIT is forwarded.
	CutBeforeCommit
	// CutAfterCommit closes the client's connection after the server committed.
	CutAfterCommit
	// SilenceBeforeCommit forwards what stands before the COMMIT and then nothing more, in either
	// direction, and closes nothing: the network swallows the rest.
	SilenceBeforeCommit
	// CutAfterPlainCommit does as CutAfterCommit at the next COMMIT that is none of a lane's groups: of a
	// take-over, say.
	CutAfterPlainCommit
)

// Weather is what the network does with every connection until it is told otherwise.
type Weather int

// The kinds of weather.
const (
	Fair     Weather = iota
	Refused          // connections are closed, and new ones refused, as by a server that is away
	Silent           // everything is swallowed and nothing closed, as by a network that is away
	DiskFull         // each statement of a guest is answered with 53100, as by a server that cannot write
)

// The names under which the installer prepares its COMMIT and the statements of guests.
const (
	commitStatement = "ichor_commit"
	guestStatements = "guest_"
)

// password is the type of the messages with which a client proves who it is.
const password = 'p'

// NewProxy starts a proxy in front of a database. It ends with the test.
func NewProxy(tb testing.TB, database Database) *Proxy {
	tb.Helper()
	p, err := StartProxy(database.Server, database.Name)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(p.Close)
	return p
}

// StartProxy starts a proxy in front of the database of a name. Close ends it.
func StartProxy(server *Server, name string) (*Proxy, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	p := &Proxy{name: name, server: server, listener: listener, sessions: map[*session]bool{}}
	p.wait.Go(p.accept)
	return p, nil
}

// URL returns the address of the database by way of the proxy.
func (p *Proxy) URL() string {
	u := url.URL{Scheme: "postgres", User: url.User("postgres"), Host: p.listener.Addr().String(), Path: "/" + p.name, RawQuery: "sslmode=disable"}
	return u.String()
}

// Address returns where the proxy listens.
func (p *Proxy) Address() *net.TCPAddr { return p.listener.Addr().(*net.TCPAddr) }

// Next makes the next COMMIT fail.
func (p *Proxy) Next(f Fault) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.fault = f
}

// Pending reports whether the fault of Next is still to come.
func (p *Proxy) Pending() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.fault != NoFault
}

// Point makes connections to come reach another server, which has a database of the same name, as
// after a failover.
func (p *Proxy) Point(server *Server) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.server = server
}

// Turn changes the weather. A session that was silenced stays so for ever.
func (p *Proxy) Turn(w Weather) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.weather = w
	for s := range p.sessions {
		switch w {
		case Refused:
			s.close()
		case Silent:
			s.silence()
		}
	}
}

// Delay adds so much to the way of each answer of the server.
func (p *Proxy) Delay(d time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.delay = d
}

// DropParameters has sessions to come begin with the user and the database alone: whatever else a client says in its start-up
// message is dropped without a word, as a pooler may.
func (p *Proxy) DropParameters(drops bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.drops = drops
}

// Begun returns how many sessions there were until now.
func (p *Proxy) Begun() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.begun
}

// Cut closes every connection that is there now.
func (p *Proxy) Cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for s := range p.sessions {
		s.close()
	}
}

// Close ends the proxy and its connections.
func (p *Proxy) Close() {
	_ = p.listener.Close() // there is nothing to do about one that cannot be closed
	p.Cut()
	p.wait.Wait()
}

// isFull reports whether statements of guests are refused.
func (p *Proxy) isFull() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.weather == DiskFull
}

// waitsFor reports whether that is the fault of Next, and still to come.
func (p *Proxy) waitsFor(f Fault) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.fault == f
}

func (p *Proxy) take() Fault {
	p.mu.Lock()
	defer p.mu.Unlock()
	f := p.fault
	p.fault = NoFault
	return f
}

func (p *Proxy) accept() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return
		}
		p.mu.Lock()
		weather, target := p.weather, p.server
		p.mu.Unlock()
		if weather == Refused {
			_ = client.Close() // as a server that is away
			continue
		}
		server, err := net.Dial("unix", filepath.Join(target.dir, fmt.Sprintf(".s.PGSQL.%d", target.port)))
		if err != nil {
			_ = client.Close() // as a server that is away
			continue
		}
		s := &session{proxy: p, client: client, server: server, silent: weather == Silent}
		p.mu.Lock()
		p.sessions[s] = true
		p.begun++
		p.mu.Unlock()
		p.wait.Go(func() {
			defer p.forget(s)
			var both sync.WaitGroup
			both.Go(s.forward)
			both.Go(s.back)
			both.Wait()
		})
	}
}

func (p *Proxy) forget(s *session) {
	s.close()
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.sessions, s)
}

// session is one client's connection and the one to the server that goes with it.
type session struct {
	proxy          *Proxy
	client, server net.Conn

	mu     sync.Mutex
	inSync bool    // the client has begun something that the server answers with ReadyForQuery
	faults []Fault // of the COMMIT in each of these whose answer has not come, oldest first
	full   []bool  // whether in the same a statement was refused
	silent bool
	user   string // that the client said it is
}

func (s *session) close() {
	_ = s.client.Close() // both ends are told; a second close says nothing new
	_ = s.server.Close()
}

func (s *session) who() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.user
}

func (s *session) is(f Fault) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.faults) > 0 && s.faults[0] == f
}

func (s *session) silence() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.silent = true
}

func (s *session) isSilent() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.silent
}

// forward takes the client's messages to the server.
func (s *session) forward() {
	if s.isSilent() {
		_, _ = io.Copy(io.Discard, s.client) // until the client gives up
		s.close()
		return
	}
	if err := s.startUp(); err != nil {
		s.close()
		return
	}
	for {
		kind, body, err := readFrame(s.client)
		if err != nil {
			if !s.isSilent() {
				s.close()
			}
			return
		}
		if s.isSilent() {
			continue
		}
		if kind != password { // which is of the start of the session
			s.begin(kind)
			if s.refuses(kind, body) {
				continue
			}
		}
		switch plain := s.proxy.waitsFor(CutAfterPlainCommit); {
		case plain && kind == 'Q' && string(body) == "commit\x00", !plain && kind == 'B' && statementOf(body) == commitStatement:
			if s.met() {
				return
			}
		}
		if err := writeFrame(s.server, kind, body); err != nil {
			s.close()
			return
		}
	}
}

// begin notes where the messages begin that end with the next ReadyForQuery.
func (s *session) begin(kind byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.inSync {
		s.faults, s.full = append(s.faults, NoFault), append(s.full, false)
	}
	s.inSync = kind != 'S' && kind != 'Q'
}

// end notes that the server is ready for the next.
func (s *session) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.faults) > 0 { // none is of the start of the session
		s.faults, s.full = s.faults[1:], s.full[1:]
	}
}

// refuses reports whether a message is not forwarded because the disk is full: a statement of a guest, and
// what follows it up to the Sync, as a server skips it.
func (s *session) refuses(kind byte, body []byte) bool {
	guests := kind == 'B' && strings.HasPrefix(statementOf(body), guestStatements) && s.proxy.isFull()
	s.mu.Lock()
	defer s.mu.Unlock()
	newest := len(s.full) - 1
	s.full[newest] = s.full[newest] || guests
	return s.full[newest] && kind != 'S'
}

// wasRefused reports whether that is so of the messages that the next ReadyForQuery ends.
func (s *session) wasRefused() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.full) > 0 && s.full[0]
}

// met lets the fault of a COMMIT happen, as far as it happens before the COMMIT is forwarded;
// true when nothing more is to be read.
func (s *session) met() bool {
	f := s.proxy.take()
	s.mu.Lock()
	s.faults[len(s.faults)-1], s.silent = f, s.silent || f == SilenceBeforeCommit
	s.mu.Unlock()
	if f == CutBeforeCommit {
		s.close()
	}
	if f == SilenceBeforeCommit {
		_, _ = io.Copy(io.Discard, s.client) // until the client gives up; the server never hears of it
		return true
	}
	return f == CutBeforeCommit
}

// back takes the server's messages to the client.
func (s *session) back() {
	for letIn := false; ; {
		kind, body, err := readFrame(s.server)
		if err != nil {
			s.close()
			return
		}
		if s.isSilent() {
			continue
		}
		commit := kind == 'C' && string(body) == "COMMIT\x00"
		if commit && s.committed() {
			return
		}
		switch {
		case commit:
			s.proxy.staggering.hold(commits, s.who())
		case kind == 'Z' && !letIn:
			letIn = true
			s.proxy.staggering.hold(logins, s.who())
		}
		s.proxy.mu.Lock()
		delay := s.proxy.delay
		s.proxy.mu.Unlock()
		if kind == 'Z' {
			if s.wasRefused() && body[0] != 'E' {
				if body[0] == 'T' {
					body[0] = 'E'
				}
				_ = writeFrame(s.client, 'E', []byte("SERROR\x00VERROR\x00C53100\x00Mcould not extend file: No space left on device\x00\x00")) // the next write says so too
			}
			s.end()
			time.Sleep(delay)
		}
		if err := writeFrame(s.client, kind, body); err != nil {
			s.close()
			return
		}
	}
}

// committed lets the fault of a COMMIT happen that the server has carried out; true when the
// connection is over.
func (s *session) committed() bool {
	switch {
	case s.is(FatalAfterCommit):
		_ = writeFrame(s.client, 'E', []byte("SFATAL\x00VFATAL\x00C57P01\x00Mterminating connection due to administrator command\x00\x00")) // it is closed at once
		s.close()
		return true
	case s.is(CutAfterCommit), s.is(CutAfterPlainCommit):
		s.close()
		return true
	}
	return false
}

// frameMost bounds a message of the protocol, so that a stray byte is not taken for a length.
const frameMost = 64 << 20

func readFrame(r io.Reader) (byte, []byte, error) {
	var head [5]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return 0, nil, err
	}
	n := binary.BigEndian.Uint32(head[1:])
	if n < 4 || n > frameMost {
		return 0, nil, errors.New("proxy: not a message of PostgreSQL")
	}
	body := make([]byte, n-4)
	_, err := io.ReadFull(r, body)
	return head[0], body, err
}

func writeFrame(w io.Writer, kind byte, body []byte) error {
	frame := make([]byte, 0, 5+len(body))
	frame = append(frame, kind)
	frame = binary.BigEndian.AppendUint32(frame, uint32(len(body)+4))
	_, err := w.Write(append(frame, body...))
	return err
}

// startUp takes the client's first message on, which has no type.
func (s *session) startUp() error {
	var head [4]byte
	if _, err := io.ReadFull(s.client, head[:]); err != nil {
		return err
	}
	n := binary.BigEndian.Uint32(head[:])
	if n < 8 || n > frameMost {
		return errors.New("proxy: not a start-up message of PostgreSQL")
	}
	body := make([]byte, n-4)
	if _, err := io.ReadFull(s.client, body); err != nil {
		return err
	}
	s.proxy.mu.Lock()
	drops := s.proxy.drops
	s.proxy.mu.Unlock()
	if binary.BigEndian.Uint16(body) == protocolMajor {
		said := parametersOf(body)
		s.mu.Lock()
		s.user = said["user"]
		s.mu.Unlock()
		if drops {
			body = fmt.Appendf(body[:4], "user\x00%s\x00database\x00%s\x00\x00", said["user"], cmp.Or(said["database"], said["user"]))
		}
	}
	_, err := s.server.Write(append(binary.BigEndian.AppendUint32(nil, uint32(len(body)+4)), body...))
	return err
}

// protocolMajor is the version of the protocol, whose start-up messages have parameters; what else comes first asks for
// something, as a cancellation does.
const protocolMajor = 3

// parametersOf returns what a start-up message says by name.
func parametersOf(body []byte) map[string]string {
	said := map[string]string{}
	words := strings.Split(string(body[4:]), "\x00")
	for i := 0; i+1 < len(words); i += 2 {
		said[words[i]] = words[i+1]
	}
	return said
}

// statementOf returns the prepared statement that a Bind message names.
func statementOf(bind []byte) string {
	rest := bind
	for i, b := range rest { // past the portal
		if b == 0 {
			rest = rest[i+1:]
			break
		}
	}
	for i, b := range rest {
		if b == 0 {
			return string(rest[:i])
		}
	}
	return ""
}
