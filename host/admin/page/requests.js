// The section of the requests: what was asked for and stands, what became of the rest, and the audit.
import { html } from './html.js';
import { Awaited, Digest, State, Table, Time, Version } from './parts.js';
import { useDatabase } from './state.js';

// Requests is the section.
export function Requests() {
	const feed = useDatabase('v1/requests');
	const audit = useDatabase('v1/audit');
	return html`<section class="card" aria-labelledby="requests"><h2 id="requests">Requests</h2>
			<p class="faint">What was asked of the host that owns the cohort, the newest first. One without an end stands.</p>
			<${Awaited} feed=${feed}>${({ requests }) => (requests.length ? html`<${List} of=${requests} />` : html`<p class="faint">Nobody has asked for anything.</p>`)}<//></section>
		<section class="card" aria-labelledby="audit"><h2 id="audit">Audit</h2>
			<${Awaited} feed=${audit}>${({ audit: rows }) => (rows.length ? html`<${Table} flows caption="Audit" heads=${['at', 'who', 'deed', 'reason']}>
				${rows.map((r) => html`<tr key=${r.id}><td><${Time} at=${r.at} /></td><td>${r.who}</td><td>${r.deed}</td><td class="why">${r.reason}</td></tr>`)}<//>` : html`<p class="faint">Nobody has done anything.</p>`)}<//></section>`;
}

const List = ({ of }) => html`<${Table} flows caption="Requests" heads=${['#id', 'asked', 'what', 'who', 'reason', 'outcome']}>
	${of.map((r) => html`<tr key=${r.id}><td class="number">${r.id}</td><td><${Time} at=${r.asked_at} /></td>
		<td>${r.verb === 'swap' ? 'rollback' : r.verb} ${r.version > 0 && html`<${Version} of=${r.version} />`}${r.guest && html`${r.guest} <${Digest} of=${r.digest} />`}</td><td>${r.who}</td><td class="why">${r.reason}</td><td class="why"><${Became} of=${r} /></td></tr>`)}<//>`;

function Became({ of: r }) {
	if (!r.ended_at) return html`<${State} is="odd">${r.taken_at ? 'in force' : 'stands'}<//>`;
	return html`<${State} is=${r.outcome === 'done' ? 'good' : 'bad'}>${r.outcome}<//> <${Time} at=${r.ended_at} />`;
}
