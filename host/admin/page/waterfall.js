// A journey as a waterfall: the time between each two of its events.
import { html } from './html.js';
import { count, plural, span } from './format.js';
import { Digest } from './parts.js';
import { to } from './route.js';
import { legs, owners } from './words.js';

// legsOf returns the ways between a journey's events: whose time, from when and for how long, in seconds since the
// first event.
export function legsOf(journey) {
	const events = journey.events || [];
	const since = (at) => Number(BigInt(at) - BigInt(events[0].at_ns)) / 1e9;
	return events.slice(1).map((e, i) => {
		const [says, owner] = legs[e.event] || [e.event, 'others'];
		const from = since(events[i].at_ns);
		return { event: e.event, says, owner, from, took: since(e.at_ns) - from };
	});
}

// reached returns after how many seconds a version came to an event, undefined while it has not.
export function reached(all, event) {
	const last = all.find((x) => x.event === event);
	return last && last.from + last.took;
}

// total returns a journey's seconds.
export const total = (all) => (all.length ? all.at(-1).from + all.at(-1).took : 0);

// Patterns tell whose time a bar is without its colour: a guest's is hatched, the database's is striped.
export const Patterns = () => html`<svg class="patterns" width="0" height="0" aria-hidden="true"><defs>
	<pattern id="leg-guest" width="5" height="5" patternUnits="userSpaceOnUse" patternTransform="rotate(45)"><rect class="leg-guest" width="5" height="5" /><rect class="leg-mark" width="1.5" height="5" /></pattern>
	<pattern id="leg-database" width="4" height="4" patternUnits="userSpaceOnUse"><rect class="leg-database" width="4" height="4" /><rect class="leg-mark" width="4" height="1" /></pattern>
</defs></svg>`;

// Legend says which bar is whose time.
export const Legend = () => html`<ul class="legend" aria-label="Whose time">${Object.entries(owners).map(([owner, says]) => html`<li key=${owner}><svg aria-hidden="true"><rect class=${'leg ' + owner} width="100%" height="100%" /></svg>${says}</li>`)}</ul>`;

const percent = (share) => (share * 100).toFixed(2) + '%';

// Bar is the whole way of a version in one line.
export function Bar({ of: all }) {
	const whole = total(all) || 1;
	const says = all.filter((x) => x.took > 0).map((x) => `${x.says} ${span(x.took)}`).join(', ');
	return html`<svg class="bar" role="img" aria-label=${says || 'no time between its events'}>
		${all.map((x, i) => html`<rect key=${i} class=${'leg ' + x.owner} x=${percent(x.from / whole)} width=${percent(x.took / whole)} height="100%"><title>${x.says} ${span(x.took)}</title></rect>`)}</svg>`;
}

// Waterfall is a journey, event by event.
export function Waterfall({ of: journey }) {
	const all = legsOf(journey);
	const whole = total(all) || 1;
	const was = journey.details; // of a version that a guest was given
	return html`<div class="waterfall">
		<p>Version <a class="number" href=${to('search', journey.version)}>${journey.version}</a> took <b>${span(total(all))}</b>${journey.attempts > 1 && html`, in ${plural(journey.attempts, 'attempt')}`}${journey.guest && html`, by guest <${Digest} of=${journey.guest} />`}${was && html`, which made ${plural(was.statements, 'statement')} of it and burned ${count(was.fuel)} of fuel`}.</p>
		${was && html`<p>Cohort ${was.cohort}, xid <a href=${to('search', was.xid)}><code>${was.xid}</code></a>${was.templates?.length > 0 && html`, ${was.templates.length === 1 ? 'template' : 'templates'} ${was.templates.join(', ')}`}</p>`}
		<${Legend} />
		<table><caption class="unseen">The way of version ${journey.version}</caption>
			<thead><tr><th scope="col">what</th><th scope="col" class="number">took</th><th scope="col"><span class="unseen">when</span></th><th scope="col" class="until">until</th></tr></thead>
			<tbody>${all.map((x) => html`<tr key=${x.event} class=${x.owner === 'guest' ? 'call' : ''}><th scope="row">${x.says}<span class="unseen"> (${owners[x.owner]})</span></th><td class="number">${span(x.took)}</td>
				<td class="when"><svg aria-hidden="true"><rect class=${'leg ' + x.owner} x=${percent(Math.min(0.996, x.from / whole))} width=${percent(Math.max(0.004, x.took / whole))} height="100%" /></svg></td>
				<td class="until faint">${x.event}</td></tr>`)}</tbody></table>
	</div>`;
}

