// The section of the guests: which module converts which versions, who wanted that, what becomes of new ones.
import { html } from './html.js';
import { Ask, change } from './asking.js';
import { count, ms, plural, short } from './format.js';
import { may, post } from './host.js';
import { pretty } from './json.js';
import { Awaited, Digest, Facts, Outcome, StandsBy, State, Table, Text, Time, Version } from './parts.js';
import { useDatabase } from './state.js';
import { states } from './words.js';

// Guests is the section.
export function Guests() {
	const feed = useDatabase('v1/guests');
	return html`<${Awaited} feed=${feed}>${(all) => {
		const names = [...new Set([...all.guests, ...(all.ranges || [])].map((g) => g.guest))];
		return html`<${StandsBy}>what is in shadow is on the page of the owner. A module may be uploaded and rolled back here as well: this host judges it, and the owner has it convert.<//>
			${names.length === 0 && html`<p class="faint">No guest is loaded.</p>`}
			${names.map((name) => html`<${Guest} key=${name} name=${name} of=${all} />`)}<${Events} of=${all.events || []} />`;
	}}<//>`;
}

function Guest({ name, of: all }) {
	const generations = all.guests.filter((g) => g.guest === name);
	const ranges = (all.ranges || []).filter((r) => r.guest === name);
	const newest = generations.at(-1);
	const converting = newest || wanted(name, ranges, all.events || []);
	return html`<section class="card" aria-labelledby=${'guest-' + name}><h2 id=${'guest-' + name}>${name}</h2>
		${newest && html`<${Facts} of=${[['converts now', html`<${Digest} of=${newest.digest} />`], ['version', newest.version], ['contract', newest.contract], ['from version', html`<${Version} of=${newest.from} />`],
			['also in use', generations.length > 1 && generations.slice(0, -1).map((g) => html`<span key=${g.digest}><${Digest} of=${g.digest} /> from <${Version} of=${g.from} /> </span>`)]]} />`}
		${may('deployer') && converting && html`<p class="buttons"><${Ask} of=${upload(converting)} /><${Ask} of=${rollback(converting, ranges, all.events || [])} /></p>`}
		${newest?.rejected && html`<p class="problem"><${State} is="bad">The file ${newest.rejected.digest && html`<${Digest} of=${newest.rejected.digest} />`} is not taken${newest.rejected.again && ' yet, and is tried again'}: ${newest.rejected.reason}<//> <${Time} at=${ms(newest.rejected.at_ns)} /></p>`}
		${newest?.judged?.map((j) => html`<p key=${j.digest}><${State} is=${j.accepted ? 'good' : 'bad'}>A module beside the file, <${Digest} of=${j.digest} />, ${j.accepted ? 'would be taken' : `would not be taken: ${j.reason}`}<//></p>`)}
		${newest?.shadow && html`<${Shadow} of=${newest.shadow} taken=${newest.shadow.digest === newest.digest} />`}
		${ranges.length > 0 && html`<h3>Which module converts which versions</h3><${Table} flows caption=${`History of ${name}`} heads=${['versions', 'module', 'since', 'by', 'why']}>${ranges.map((r) => html`<tr key=${r.from + r.digest}>
			<td class="number">${r.held > 1 && `${r.held} of `}${r.to ? `${r.from} to ${r.to}` : `from ${r.from}`}</td><td><${Digest} of=${r.digest} /></td><td><${Time} at=${r.at} /></td><td>${r.who || html`<span class="faint">–</span>`}</td><td class="why">${r.reason}</td></tr>`)}<//>`}
	</section>`;
}

// wanted is the module of a guest that is loaded nowhere here, as on a host that stands by: the one that was last to convert,
// as the database has it, for that is what a change is held against then; undefined before any was.
function wanted(guest, ranges, events) { // the newest event is the first
	const last = events.find((e) => e.guest === guest && (e.state === 'armed' || e.state === 'back')) || ranges.findLast((r) => !r.to);
	return last && { guest, digest: last.digest };
}

// Shadow is a module that is compared before it converts, or was, with the first versions of which it makes something else.
function Shadow({ of: s, taken }) {
	const different = s.differ + s.new_rejects; // what it alone converts speaks for it
	return html`<h3>${taken ? 'Compared before it was taken' : 'In shadow'}: <${Digest} of=${s.digest} />, beside <${Digest} of=${s.beside} /></h3>
		<p><meter aria-label="compared" value=${s.compared} max=${Math.max(1, s.of)}></meter> ${count(s.compared)} of ${plural(s.of, 'version')} compared${s.missed > 0 && html`, ${count(s.missed)} missed: it was busy`}</p>
		<p><${State} is=${different ? 'odd' : 'good'}>${count(s.same)} same, ${count(s.differ)} differ, ${count(s.new_rejects)} it rejects, ${count(s.old_rejected)} the other rejects<//></p>
		${s.differences && html`<p>What differs is <code class="break">${s.differences}</code>, as <code>guests.shadow.expected</code> takes it.</p>`}
		${(s.first || []).map((d) => html`<details key=${d.version} class="difference"><summary>Version ${d.version}: ${d.what}</summary>
			<p>Version <${Version} of=${d.version} />, xid <code class="break">${d.xid}</code></p>
			<h4>Statemap</h4><${Text} of=${d.statemap.endsWith('…') ? d.statemap : pretty(d.statemap)} label=${`Statemap of ${d.version}`} />
			<div class="two"><div><h4>The one beside</h4><${Outcome} of=${d.old} label=${`Old, ${d.version}`} /></div><div><h4>The new one</h4><${Outcome} of=${d.new} label=${`New, ${d.version}`} /></div></div></details>`)}`;
}

const Events = ({ of }) => html`<section class="card" aria-labelledby="events"><h2 id="events">What became of the modules</h2>${of.length === 0 ? html`<p class="faint">Nothing yet.</p>` : html`<${Table} flows caption="What became of the modules" heads=${['at', 'guest', 'module', 'became', '#from', 'by', 'why']}>
	${of.map((e) => html`<tr key=${e.id}><td><${Time} at=${e.at} /></td><td>${e.guest}</td><td><${Digest} of=${e.digest} /></td><td class="became"><b>${e.state}</b> <span class="faint">${states[e.state]}</span></td><td class="number">${e.from || ''}</td><td>${e.who}</td><td class="why">${e.reason}</td></tr>`)}<//>`}</section>`;

const path = (guest, what) => `v1/guests/${encodeURIComponent(guest)}/${what}`;

function rollback(newest, ranges, events) {
	const others = [...new Set(ranges.concat(events.filter((e) => e.guest === newest.guest)).map((r) => r.digest))].filter((d) => d && d !== newest.digest);
	return {
		title: `Roll back ${newest.guest}`, verb: 'Roll back', about: newest.guest,
		effect: html`From the next version on another module converts. Nothing that was installed is undone. It is refused if another than <${Digest} of=${newest.digest} /> converts by then.`,
		fields: html`<label for="to">Module</label><select id="to" name="to"><option value="">the newest before that was not taken back</option>${others.map((d) => html`<option key=${d} value=${d}>${short(d)}</option>`)}</select>`,
		send: (reason, form) => change(path(newest.guest, 'rollback'), newest.digest, form.elements.to.value ? { to: form.elements.to.value } : {})(reason),
	};
}

const upload = (newest) => ({
	title: `Upload a module for ${newest.guest}`, verb: 'Upload a module', about: `for ${newest.guest}`,
	effect: html`The host judges it, which may take minutes for one that it never saw. If it is taken it converts from a version on, after its shadow where the settings have one. It is refused if another than <${Digest} of=${newest.digest} /> converts by then.`,
	fields: html`<label for="module">Module, a .wasm file</label><input id="module" name="module" type="file" accept=".wasm,application/wasm" required />
		<label for="signature">Signature, a line of <code>ichor guest sign</code>, where the settings have keys</label><input id="signature" name="signature" autocomplete="off" spellcheck="false" />`,
	send: (reason, form) => {
		const signature = form.elements.signature.value.trim();
		return post(`${path(newest.guest, 'module')}?reason=${encodeURIComponent(reason)}`, form.elements.module.files[0],
			{ match: newest.digest, type: 'application/wasm', headers: signature ? { 'Ichor-Signature': signature } : {} });
	},
});
