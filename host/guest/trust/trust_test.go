package trust_test

import (
	"bytes"
	"crypto/ecdh"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/ichor-replicator/ichor/host/guest"
	"github.com/ichor-replicator/ichor/host/guest/trust"
)

var (
	wasm  = []byte("\x00asm of which nobody reads more")
	other = []byte("\x00asm of which there is another")
)

func newKey(t *testing.T) trust.PrivateKey {
	t.Helper()
	key, err := trust.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// line signs a module and returns the line.
func line(t *testing.T, key trust.PrivateKey, module []byte, name string) string {
	t.Helper()
	s, err := trust.Sign(key, guest.DigestOf(module), name)
	if err != nil {
		t.Fatal(err)
	}
	return s.String()
}

func TestModuleThatIsNotPinnedIsRefused(t *testing.T) {
	pinned := trust.Policy{Pins: map[string][]guest.Digest{"banking": {guest.DigestOf(wasm)}}}
	_, err := pinned.Check("banking", trust.NewModule(other, ""))
	var load *guest.LoadError
	var pin *trust.PinError
	if !errors.As(err, &load) || load.Step != guest.StepVerify || !errors.As(err, &pin) || pin.Guest != "banking" || pin.Digest != guest.DigestOf(other) {
		t.Fatalf("got %v", err)
	}
	for _, digest := range []guest.Digest{guest.DigestOf(wasm), guest.DigestOf(other)} {
		if !strings.Contains(err.Error(), "sha256:"+digest.String()) {
			t.Errorf("%v does not name %s", err, digest)
		}
	}
	for name, module := range map[string][]byte{"banking": wasm, "ledger": other} {
		if _, err := pinned.Check(name, trust.NewModule(module, "")); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	none := trust.Policy{Pins: map[string][]guest.Digest{"banking": {}}}
	if _, err := none.Check("banking", trust.NewModule(wasm, "")); err == nil {
		t.Error("a guest of which no module is pinned takes one")
	}
	// Neither a signature nor --dev takes the place of a pin.
	key := newKey(t)
	pinned.Keys, pinned.Unsigned = []trust.PublicKey{key.Public()}, true
	if _, err := pinned.Check("banking", trust.NewModule(other, line(t, key, other, "banking"))); !errors.As(err, &pin) {
		t.Errorf("got %v", err)
	}
}

func TestModuleWithoutGoodSignatureIsRefused(t *testing.T) {
	key, stranger := newKey(t), newKey(t)
	policy := trust.Policy{Keys: []trust.PublicKey{newKey(t).Public(), key.Public()}}
	good := line(t, key, wasm, "banking")
	words := strings.SplitN(good, " ", 5)
	with := func(i int, word string) string {
		changed := append([]string(nil), words...)
		changed[i] = word
		return strings.Join(changed, " ")
	}
	strange := strings.SplitN(line(t, stranger, wasm, "banking"), " ", 5)
	for name, c := range map[string]struct{ text, says string }{
		"none":                          {"", "it has no signature"},
		"of another module":             {line(t, key, other, "banking"), "its signature is of another module, sha256:" + guest.DigestOf(other).String()},
		"for a guest of another name":   {line(t, key, wasm, "ledger"), `it is signed as guest "ledger"`},
		"for a name that begins so":     {line(t, key, wasm, "banking2"), `it is signed as guest "banking2"`},
		"by a key that is not there":    {line(t, stranger, wasm, "banking"), "it is signed by key \"" + stranger.Public().ID() + "\", which is not there"},
		"by a stranger in a key's name": {with(3, strange[3]), "the signature of key " + key.Public().ID() + " is false"},
		"moved to another module":       {with(2, "sha256:"+guest.DigestOf(other).String()), "is of another module"},
		"moved to another name":         {with(4, "ledger"), "it is signed as guest"},
		"of zeros":                      {with(3, base64.StdEncoding.EncodeToString(make([]byte, 64))), "is false"},
		"too short":                     {with(3, base64.StdEncoding.EncodeToString(make([]byte, 63))), "its signatures cannot be read: signature 1: it does not have 64 bytes"},
		"no base64":                     {with(3, "?"), "its signatures cannot be read"},
		"a digest without its prefix":   {with(2, guest.DigestOf(wasm).String()), "the digest does not begin with sha256:"},
		"of another algorithm":          {with(0, "rsa"), "it is no line that ichor guest sign wrote"},
		"no words":                      {"\x00\x01", "it is no line that ichor guest sign wrote"},
		"too many":                      {strings.Repeat(line(t, stranger, wasm, "banking")+"\n", 65) + good, "more than 64 signatures"},
		"too long":                      {strings.Repeat("\n", 33<<10) + good, "at most 32768 are read"},
	} {
		t.Run(name, func(t *testing.T) {
			s, err := policy.Check("banking", trust.NewModule(wasm, c.text))
			var load *guest.LoadError
			var unsigned *trust.SignatureError
			if s != nil || !errors.As(err, &load) || load.Step != guest.StepVerify || !errors.As(err, &unsigned) || !strings.Contains(err.Error(), c.says) {
				t.Errorf("got %v, want one that says %q", err, c.says)
			}
			dev := policy
			dev.Unsigned = true
			if s, err := dev.Check("banking", trust.NewModule(wasm, c.text)); s != nil || err != nil {
				t.Errorf("where none is needed: %v, %v", s, err)
			}
			if s, err := (trust.Policy{}).Check("banking", trust.NewModule(wasm, c.text)); s != nil || err != nil {
				t.Errorf("without keys: %v, %v", s, err)
			}
		})
	}
	for name, text := range map[string]string{
		"alone": good, "with line ends of Windows": good + "\r\n", "after those of others": line(t, stranger, wasm, "banking") + "\n\n" + line(t, key, other, "banking") + "\n" + good + "\n",
	} {
		if s, err := policy.Check("banking", trust.NewModule(wasm, text)); err != nil || s == nil || s.KeyID != key.Public().ID() {
			t.Errorf("%s: %v, %v", name, s, err)
		}
	}
}

// TestSignatureIsOfTheMessage makes one by hand, as another program would.
func TestSignatureIsOfTheMessage(t *testing.T) {
	public, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	key, err := trust.ParsePublicKey("ed25519:" + base64.StdEncoding.EncodeToString(public))
	if err != nil {
		t.Fatal(err)
	}
	digest := guest.DigestOf(wasm).String()
	made := func(message string) trust.Module {
		signature := base64.StdEncoding.EncodeToString(ed25519.Sign(private, []byte(message)))
		return trust.NewModule(wasm, fmt.Sprintf("ed25519 %s sha256:%s %s %s", key.ID(), digest, signature, "my bank"))
	}
	policy := trust.Policy{Keys: []trust.PublicKey{key}}
	if _, err := policy.Check("my bank", made("ichor guest v1\nsha256:"+digest+"\nmy bank")); err != nil {
		t.Error(err)
	}
	for _, message := range []string{
		"ichor guest v2\nsha256:" + digest + "\nmy bank", "sha256:" + digest + "\nmy bank", digest, string(wasm),
		"ichor guest v1\nsha256:" + digest + "\nmy bank\n",
	} {
		if _, err := policy.Check("my bank", made(message)); err == nil {
			t.Errorf("a signature of %q is taken", message)
		}
	}
}

func TestNamesThatNoLineCanHaveAreNotSigned(t *testing.T) {
	for _, name := range []string{"", " banking", "a\nb", "a/b", `a\b`, "a\x00", "a\r"} {
		if _, err := trust.Sign(newKey(t), guest.DigestOf(wasm), name); err == nil {
			t.Errorf("%q is signed", name)
		}
	}
}

func TestKeysAsText(t *testing.T) {
	key := newKey(t)
	text, err := key.Text()
	if err != nil {
		t.Fatal(err)
	}
	again, err := trust.ParsePrivateKey(text)
	if err != nil || again.Public().String() != key.Public().String() {
		t.Errorf("%v, %v", again, err)
	}
	if public, err := trust.ParsePublicKey(key.Public().String() + "\n"); err != nil || public.ID() != key.Public().ID() {
		t.Errorf("%v, %v", public, err)
	}
	secret := base64.StdEncoding.EncodeToString(text)[60:90]
	for _, shown := range []string{fmt.Sprint(key), fmt.Sprintf("%v %+v %#v %s", key, key, key, key)} {
		if strings.Contains(shown, "\x00") || strings.Contains(shown, secret) || !strings.Contains(shown, key.Public().ID()) {
			t.Errorf("a private key is shown as %q", shown)
		}
	}
	for _, bad := range []string{"", "ed25519:", "ed25519:AAAA", "rsa:" + key.Public().String()[8:], key.Public().String() + "A", string(text)} {
		if _, err := trust.ParsePublicKey(bad); err == nil {
			t.Errorf("%q is a public key", bad)
		}
	}
	x, err := x509.MarshalPKCS8PrivateKey(mustECDH(t))
	if err != nil {
		t.Fatal(err)
	}
	for _, bad := range [][]byte{nil, []byte(key.Public().String()), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: []byte("x")}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: x})} {
		if _, err := trust.ParsePrivateKey(bad); err == nil {
			t.Errorf("%q is a private key", bad)
		}
	}
}

func TestJoinKeepsEachSignatureOnce(t *testing.T) {
	a, b := newKey(t), newKey(t)
	text := line(t, a, wasm, "banking") + "\n" + line(t, b, wasm, "banking") + "\n" + line(t, a, wasm, "banking") + "\n" + line(t, a, wasm, "ledger") + "\n"
	all, err := trust.ParseSignatures(text)
	if err != nil || len(all) != 4 {
		t.Fatalf("%v, %v", all, err)
	}
	again, err := trust.ParseSignatures(trust.Join(all...))
	if err != nil || len(again) != 3 {
		t.Errorf("%v, %v", again, err)
	}
}

// TestSignatureFileOfAStranger puts what is no file of signatures beside a module.
func TestSignatureFileOfAStranger(t *testing.T) {
	policy := trust.Policy{Keys: []trust.PublicKey{newKey(t).Public()}}
	for name, put := range map[string]func(path string) error{
		"a FIFO":               func(path string) error { return syscall.Mkfifo(path, 0o600) },
		"a directory":          func(path string) error { return os.Mkdir(path, 0o700) },
		"a device":             func(path string) error { return os.Symlink("/dev/zero", path) },
		"bytes, a module":      func(path string) error { return errors.Join(os.WriteFile(path, nil, 0o600), os.Truncate(path, 4<<30)) },
		"at most 32768":        func(path string) error { return os.WriteFile(path, bytes.Repeat([]byte("\n"), 1<<20), 0o600) },
		"it has no signature":  func(string) error { return nil },
		"it is no line that i": func(path string) error { return os.WriteFile(path, wasm, 0o600) },
	} {
		path := filepath.Join(t.TempDir(), "banking.wasm")
		if err := errors.Join(os.WriteFile(path, wasm, 0o600), put(trust.SignatureFile(path))); err != nil {
			t.Fatal(err)
		}
		module, err := trust.Read(path)
		if err != nil || !bytes.Equal(module.Bytes, wasm) || module.Digest != guest.DigestOf(wasm) {
			t.Errorf("%s: %v, %v", name, module, err)
		}
		if _, err := policy.Check("banking", module); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
	var missing *guest.FileError
	if _, err := trust.Read(filepath.Join(t.TempDir(), "banking.wasm")); !errors.As(err, &missing) {
		t.Errorf("a module that is not there: %v", err)
	}
}

func TestPinsAsText(t *testing.T) {
	digest := guest.DigestOf(wasm)
	if got, err := trust.ParsePin("sha256:" + digest.String()); err != nil || got != digest {
		t.Errorf("%v, %v", got, err)
	}
	for _, bad := range []string{"", digest.String(), "sha256:", "sha512:" + digest.String(), "sha256:" + digest.String() + "00", "sha256:" + digest.Short()} {
		if _, err := trust.ParsePin(bad); err == nil {
			t.Errorf("%q is a pin", bad)
		}
	}
}

// mustECDH returns a private key that signs nothing.
func mustECDH(t *testing.T) *ecdh.PrivateKey {
	t.Helper()
	key, err := ecdh.X25519().GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}
