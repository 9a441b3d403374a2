// Package manifests holds examples/kubernetes against Kubernetes' own types, those of the Prometheus operator, and the host.
package manifests

import (
	"bytes"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	monitoring "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	"go.yaml.in/yaml/v3"
	apps "k8s.io/api/apps/v1"
	batch "k8s.io/api/batch/v1"
	core "k8s.io/api/core/v1"
	networking "k8s.io/api/networking/v1"
	policy "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	serializer "k8s.io/apimachinery/pkg/runtime/serializer/json"
	"k8s.io/apimachinery/pkg/util/strategicpatch"
	"k8s.io/client-go/kubernetes/scheme"
	convert "sigs.k8s.io/yaml"
)

const (
	examples = "../../examples/kubernetes/"
	user     = 65532 // of the image, as Dockerfile has it
	drain    = 10    // seconds that a host may take to end
)

var update = flag.Bool("update", false, "write prometheusrule.yaml of the rules of examples/monitoring")

func read(t *testing.T, name string) []byte {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(examples, name))
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// types are Kubernetes' own and those of the Prometheus operator.
var types = func() *runtime.Scheme {
	all := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{scheme.AddToScheme, monitoring.AddToScheme} {
		if err := add(all); err != nil {
			panic(err)
		}
	}
	return all
}()

// strict decodes an object of one of the types. A field that its type does not have is an error.
func strict(text []byte) (runtime.Object, error) {
	object, _, err := serializer.NewSerializerWithOptions(serializer.DefaultMetaFactory, types, types,
		serializer.SerializerOptions{Yaml: true, Strict: true}).Decode(text, nil, nil)
	return object, err
}

func decode(t *testing.T, text []byte) runtime.Object {
	t.Helper()
	object, err := strict(text)
	if err != nil {
		t.Fatalf("%v in\n%s", err, text)
	}
	return object
}

// one returns the object of a file, which has one.
func one[T runtime.Object](t *testing.T, name string) T {
	t.Helper()
	object, ok := decode(t, read(t, name)).(T)
	if !ok || bytes.Contains(read(t, name), []byte("\n---\n")) {
		t.Fatalf("%s has another object, or several", name)
	}
	return object
}

// patched returns the deployment as the patch of guest-pull.yaml makes it.
func patched(t *testing.T) *apps.Deployment {
	t.Helper()
	var texts [2][]byte
	for i, text := range [][]byte{read(t, "deployment.yaml"), read(t, "guest-pull.yaml")} {
		asJSON, err := convert.YAMLToJSON(text)
		if err != nil {
			t.Fatal(err)
		}
		texts[i] = asJSON
	}
	merged, err := strategicpatch.StrategicMergePatch(texts[0], texts[1], apps.Deployment{})
	if err != nil {
		t.Fatal(err)
	}
	return decode(t, merged).(*apps.Deployment)
}

// pods returns everything that starts pods, by a name.
func pods(t *testing.T) map[string]core.PodTemplateSpec {
	t.Helper()
	return map[string]core.PodTemplateSpec{
		"deployment.yaml": one[*apps.Deployment](t, "deployment.yaml").Spec.Template,
		"guest-pull.yaml": patched(t).Spec.Template,
		"db-init.yaml":    one[*batch.Job](t, "db-init.yaml").Spec.Template,
	}
}

// kustomizations are of no type of an API.
var kustomizations = []string{"kustomization.yaml", "monitoring/kustomization.yaml"}

// Every object has the fields of its type alone, and lies in the namespace.
func TestEachManifestIsWhatKubernetesTakes(t *testing.T) {
	found, err := fs.Glob(os.DirFS(examples), "*.yaml")
	within, wrong := fs.Glob(os.DirFS(examples), "monitoring/*.yaml")
	if err != nil || wrong != nil || len(found) < 8 || len(within) < 3 {
		t.Fatalf("found %v and %v, %v, %v: this test does not see what it should", found, within, err, wrong)
	}
	for _, name := range append(found, within...) {
		if slices.Contains(kustomizations, name) {
			continue
		}
		var head struct {
			Kind     string
			Metadata struct{ Namespace string }
		}
		if err := convert.Unmarshal(read(t, name), &head); err != nil {
			t.Fatal(err)
		}
		one[runtime.Object](t, name)
		if head.Kind != "Namespace" && head.Metadata.Namespace != "ichor" {
			t.Errorf("%s: the %s lies in the namespace %q", name, head.Kind, head.Metadata.Namespace)
		}
	}
}

// The decoder is strict: else no test here says anything.
func TestAnUnknownFieldIsRefused(t *testing.T) {
	for _, c := range []struct{ file, right, other string }{
		{"deployment.yaml", "readinessProbe:", "readynessProbe:"},
		{"monitoring/servicemonitor.yaml", "targetLabels:", "targetLabel:"},
		{"monitoring/servicemonitor.yaml", "matchLabels:", "matchLabel:"},
		{"monitoring/servicemonitor.yaml", "interval:", "scrapeEvery:"},
		{"monitoring/prometheusrule.yaml", "annotations:", "annotation:"},
		{"monitoring/prometheusrule.yaml", "for:", "during:"},
	} {
		wrong := bytes.Replace(read(t, c.file), []byte(c.right), []byte(c.other), 1)
		if _, err := strict(wrong); err == nil || !strings.Contains(err.Error(), strings.TrimSuffix(c.other, ":")) {
			t.Errorf("%s: a field %s that there is not: %v", c.file, c.other, err)
		}
	}
}

// No pod has more rights than the profile "restricted" lets it have, and each says what it needs.
func TestPodsAreRestricted(t *testing.T) {
	for name, template := range pods(t) {
		pod, of := template.Spec, template.Spec.SecurityContext
		if of == nil || of.RunAsNonRoot == nil || !*of.RunAsNonRoot || of.RunAsUser == nil || *of.RunAsUser != user ||
			of.SeccompProfile == nil || of.SeccompProfile.Type != core.SeccompProfileTypeRuntimeDefault {
			t.Errorf("%s: the pod does not run as %d with seccomp's default: %+v", name, user, of)
		}
		if pod.AutomountServiceAccountToken == nil || *pod.AutomountServiceAccountToken || pod.HostNetwork || pod.HostPID || pod.HostIPC {
			t.Errorf("%s: the pod has a token of the API or something of its node's", name)
		}
		for _, c := range slices.Concat(pod.InitContainers, pod.Containers) {
			s := c.SecurityContext
			if s == nil || s.AllowPrivilegeEscalation == nil || *s.AllowPrivilegeEscalation || s.ReadOnlyRootFilesystem == nil || !*s.ReadOnlyRootFilesystem ||
				s.Capabilities == nil || !slices.Equal(s.Capabilities.Drop, []core.Capability{"ALL"}) || len(s.Capabilities.Add) > 0 {
				t.Errorf("%s: container %s has rights: %+v", name, c.Name, s)
			}
			if c.Resources.Requests.Cpu().IsZero() || c.Resources.Requests.Memory().IsZero() || c.Resources.Limits.Memory().IsZero() {
				t.Errorf("%s: container %s does not say what it needs", name, c.Name)
			}
			for _, mount := range c.VolumeMounts {
				if !slices.ContainsFunc(pod.Volumes, func(v core.Volume) bool { return v.Name == mount.Name }) || mount.SubPath != "" {
					t.Errorf("%s: container %s mounts %+v, which there is not or which would never change", name, c.Name, mount)
				}
			}
		}
		for _, v := range pod.Volumes {
			if v.Secret != nil && (v.Secret.DefaultMode == nil || *v.Secret.DefaultMode != 0o440 || of == nil || of.FSGroup == nil || *of.FSGroup != user) {
				t.Errorf("%s: others than the host's group may read %s, or the host may not", name, v.Name)
			}
		}
	}
}

// A host is let end, is started again only when it is dead, and one of two is there at all times.
func TestTheDeploymentFitsTheHost(t *testing.T) {
	d := one[*apps.Deployment](t, "deployment.yaml")
	pod := d.Spec.Template.Spec
	if *d.Spec.Replicas != 2 {
		t.Errorf("%d hosts: one owns the cohort and one stands by", *d.Spec.Replicas)
	}
	if s := pod.TerminationGracePeriodSeconds; s == nil || *s <= drain {
		t.Errorf("terminationGracePeriodSeconds is not above %d, which a drain may take", drain)
	}
	if rolling := d.Spec.Strategy.RollingUpdate; rolling == nil || rolling.MaxUnavailable.IntValue() != 1 {
		t.Errorf("a rollout by %+v: a host that is not ready holds up what mends it", rolling)
	}
	c := pod.Containers[0]
	for probe, want := range map[*core.Probe]string{c.StartupProbe: "/healthz", c.LivenessProbe: "/healthz", c.ReadinessProbe: "/readyz"} {
		if probe == nil || probe.HTTPGet == nil || probe.HTTPGet.Path != want || probe.HTTPGet.Port.String() != c.Ports[0].Name {
			t.Errorf("a probe asks %+v, want %s", probe, want)
		}
	}
	over := map[string]bool{}
	for _, s := range pod.TopologySpreadConstraints {
		over[s.TopologyKey] = true
		if !labels.SelectorFromSet(s.LabelSelector.MatchLabels).Matches(labels.Set(d.Spec.Template.Labels)) {
			t.Errorf("the spread over %s counts other pods", s.TopologyKey)
		}
	}
	if !over["kubernetes.io/hostname"] || !over["topology.kubernetes.io/zone"] {
		t.Errorf("hosts are spread over %v", over)
	}
	// The child that checks a guest takes up to 330 MiB beside the host.
	limit := c.Resources.Limits.Memory().Value() >> 20
	var heap int64
	for _, e := range c.Env {
		if e.Name == "GOMEMLIMIT" {
			_, _ = fmt.Sscanf(e.Value, "%dMiB", &heap)
		}
	}
	if heap < 256+100 || heap+330 > limit {
		t.Errorf("GOMEMLIMIT=%d MiB of %d MiB leaves no room for versions, or none for the child that checks a guest", heap, limit)
	}
}

// What selects pods selects the hosts: a label that is spelled differently selects nothing, in silence.
func TestSelectorsSelectTheHosts(t *testing.T) {
	d := one[*apps.Deployment](t, "deployment.yaml")
	job := one[*batch.Job](t, "db-init.yaml")
	service := one[*core.Service](t, "service.yaml")
	budget := one[*policy.PodDisruptionBudget](t, "disruption.yaml")
	net := one[*networking.NetworkPolicy](t, "network.yaml")
	hosts, others := labels.Set(d.Spec.Template.Labels), labels.Set(job.Spec.Template.Labels)
	for name, selector := range map[string]map[string]string{
		"deployment": d.Spec.Selector.MatchLabels, "service": service.Spec.Selector, "disruption": budget.Spec.Selector.MatchLabels,
	} {
		of := labels.SelectorFromSet(selector)
		if !of.Matches(hosts) || of.Matches(others) {
			t.Errorf("the selector of the %s, %v, selects hosts: %v, the job: %v", name, of, of.Matches(hosts), of.Matches(others))
		}
	}
	if of := labels.SelectorFromSet(net.Spec.PodSelector.MatchLabels); !of.Matches(hosts) || !of.Matches(others) {
		t.Errorf("the network of hosts or of the job is open: %v", of)
	}
	if !service.Spec.PublishNotReadyAddresses {
		t.Error("a host that is not ready cannot be asked why")
	}
	if budget.Spec.MinAvailable == nil || budget.Spec.MinAvailable.IntValue() != 1 || *budget.Spec.UnhealthyPodEvictionPolicy != policy.AlwaysAllow {
		t.Errorf("the budget is %+v", budget.Spec)
	}
	if len(net.Spec.PolicyTypes) != 2 || len(net.Spec.Ingress) == 0 || len(net.Spec.Egress) == 0 {
		t.Errorf("the network is open: %+v", net.Spec)
	}
	wider := one[*networking.NetworkPolicy](t, "guest-pull-network.yaml") // a list of ways out takes the other's place
	if len(wider.Spec.Egress) != len(net.Spec.Egress) || len(wider.Spec.Egress[1].Ports) != len(net.Spec.Egress[1].Ports)+1 {
		t.Error("guest-pull-network.yaml allows other ways out than network.yaml and the registry")
	}
}

// hostSettings are those settings that the manifests must agree with. cmd/ichor checks all of them.
type hostSettings struct {
	Database struct {
		URLFile string `yaml:"url_file"`
	}
	Guests struct {
		Directory string
		Cache     string `yaml:"cache_directory"`
	}
	Limits struct{ Memory string }
	HTTP   struct {
		Listen string
		Hosts  []string
		Tokens string
	}
}

// Each file that the settings name is mounted, and each name by which a host is asked is known to it.
func TestTheSettingsNameWhatIsMounted(t *testing.T) {
	settings, service := one[*core.ConfigMap](t, "settings.yaml"), one[*core.Service](t, "service.yaml")
	var s hostSettings
	if err := yaml.Unmarshal([]byte(settings.Data["ichor.yaml"]), &s); err != nil {
		t.Fatal(err)
	}
	for name, template := range pods(t) {
		c := template.Spec.Containers[0]
		mounted := func(file string, writable bool) {
			for _, m := range c.VolumeMounts {
				if strings.HasPrefix(file+"/", m.MountPath+"/") && m.ReadOnly != writable {
					return
				}
			}
			t.Errorf("%s: %s is not mounted, or not so that it can be used; writable: %v", name, file, writable)
		}
		mounted(c.Args[len(c.Args)-1], false)
		mounted(s.Database.URLFile, false)
		mounted(s.HTTP.Tokens, false)
		if name != "db-init.yaml" {
			mounted(s.Guests.Directory, false)
			mounted(s.Guests.Cache, true)
		}
	}
	port := one[*apps.Deployment](t, "deployment.yaml").Spec.Template.Spec.Containers[0].Ports[0].ContainerPort
	if s.HTTP.Listen != fmt.Sprintf("0.0.0.0:%d", port) || service.Spec.Ports[0].Port != port {
		t.Errorf("the host listens at %s, the ports are %d and %d", s.HTTP.Listen, port, service.Spec.Ports[0].Port)
	}
	if full := service.Name + "." + service.Namespace + ".svc"; !slices.Contains(s.HTTP.Hosts, full) || s.HTTP.Tokens == "" || s.Limits.Memory != "256MiB" {
		t.Errorf("http.hosts %v lacks %s, or there are no tokens, or limits.memory is not what the container's memory is made for", s.HTTP.Hosts, full)
	}
}

// strictly decodes YAML; a field that the type does not have is an error.
func strictly(t *testing.T, text []byte, into any) {
	t.Helper()
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	decoder.KnownFields(true)
	if err := decoder.Decode(into); err != nil {
		t.Fatal(err)
	}
}

type kustomization struct {
	APIVersion string `yaml:"apiVersion"`
	Kind       string
	Namespace  string
	Resources  []string
	Images     []struct {
		Name    string
		NewName string `yaml:"newName"`
		NewTag  string `yaml:"newTag"`
	}
	Patches []struct{ Path string }
}

// Both kustomizations name files that are there, and the image has a tag.
func TestKustomizationsNameFiles(t *testing.T) {
	for _, name := range kustomizations {
		var k kustomization
		strictly(t, read(t, name), &k)
		if k.Namespace != "ichor" || len(k.Resources) < 2 {
			t.Errorf("%s: %+v", name, k)
		}
		for _, resource := range k.Resources {
			read(t, filepath.Join(filepath.Dir(name), resource))
		}
		if name == kustomizations[0] && (len(k.Images) != 1 || k.Images[0].Name != "ichor" || k.Images[0].NewTag == "" || k.Images[0].NewTag == "latest") {
			t.Errorf("%s does not say which image: %+v", name, k.Images)
		}
	}
}

// The alerts of examples/monitoring are by the job ichor and the label cohort: the monitor makes them.
func TestTheMonitorGivesTheLabelsOfTheAlerts(t *testing.T) {
	m, service := one[*monitoring.ServiceMonitor](t, "monitoring/servicemonitor.yaml"), one[*core.Service](t, "service.yaml")
	if m.Namespace != service.Namespace {
		t.Errorf("it lies in %s, the service in %s", m.Namespace, service.Namespace)
	}
	if !labels.SelectorFromSet(m.Spec.Selector.MatchLabels).Matches(labels.Set(service.Labels)) {
		t.Errorf("it selects %v, the service is %v", m.Spec.Selector.MatchLabels, service.Labels)
	}
	if service.Labels[m.Spec.JobLabel] != "ichor" || !slices.Equal(m.Spec.TargetLabels, []string{"cohort"}) || service.Labels["cohort"] == "" {
		t.Errorf("the job is %q, its labels %v", service.Labels[m.Spec.JobLabel], m.Spec.TargetLabels)
	}
	if e := m.Spec.Endpoints; len(e) != 1 || e[0].Port != service.Spec.Ports[0].Name || e[0].Path != "/metrics" {
		t.Errorf("it asks %+v", e)
	} else if every, err := time.ParseDuration(string(e[0].Interval)); err != nil || every < time.Second {
		t.Errorf("it asks every %q: %v", e[0].Interval, err)
	}
}

// ruleHead is what prometheusrule.yaml has before the groups of rules.yaml.
const ruleHead = `# Made of examples/monitoring/rules.yaml: cd .ci/manifests && go test . -run TheRuleIs -update
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata:
  name: ichor
  namespace: ichor
  labels:
    release: prometheus # what the Prometheus selects, if it selects
spec:
`

func TestTheRuleIsThatOfTheMonitoring(t *testing.T) {
	rules, err := os.ReadFile("../../examples/monitoring/rules.yaml")
	if err != nil {
		t.Fatal(err)
	}
	_, groups, found := bytes.Cut(rules, []byte("\ngroups:\n"))
	if !found {
		t.Fatal("rules.yaml has no groups")
	}
	want := []byte(ruleHead)
	for line := range bytes.Lines(append([]byte("groups:\n"), groups...)) {
		if len(bytes.TrimSpace(line)) > 0 {
			want = append(want, "  "...)
		}
		want = append(want, line...)
	}
	file := filepath.Join(examples, "monitoring/prometheusrule.yaml")
	if *update {
		if err := os.WriteFile(file, want, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.Equal(read(t, "monitoring/prometheusrule.yaml"), want) {
		t.Error("prometheusrule.yaml is not made of the rules that there are: see its first line")
	}
	var alone monitoring.PrometheusRuleSpec
	if err := convert.UnmarshalStrict(rules, &alone); err != nil {
		t.Fatal(err)
	}
	within := one[*monitoring.PrometheusRule](t, "monitoring/prometheusrule.yaml")
	if !reflect.DeepEqual(alone, within.Spec) || len(alone.Groups) == 0 || len(alone.Groups[0].Rules) < 15 {
		t.Error("the rules within are others")
	}
}
