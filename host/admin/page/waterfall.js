// A journey as a waterfall: the time between each two of its events.
import { html } from './html.js';
import { plural, span } from './format.js';
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

// total returns a journey's seconds.
export const total = (all) => (all.length ? all.at(-1).from + all.at(-1).took : 0);

// Legend says which bar is whose time; each has a pattern of its own beside its colour.
export const Legend = () => html`<ul class="legend" aria-label="Whose time">${Object.entries(owners).map(([owner, says]) => html`<li key=${owner}><svg viewBox="0 0 20 10" aria-hidden="true"><rect class=${'leg ' + owner} width="20" height="10" /></svg>${says}</li>`)}</ul>`;

// Bar is the whole way of a version in one line.
export function Bar({ of: all }) {
	const whole = total(all) || 1;
	const says = all.filter((x) => x.took > 0).map((x) => `${x.says} ${span(x.took)}`).join(', ');
	return html`<svg class="bar" viewBox="0 0 1000 10" preserveAspectRatio="none" role="img" aria-label=${says || 'no time between its events'}>
		${all.map((x, i) => html`<rect key=${i} class=${'leg ' + x.owner} x=${(x.from / whole) * 1000} width=${(x.took / whole) * 1000} height="10"><title>${x.says} ${span(x.took)}</title></rect>`)}</svg>`;
}

// Waterfall is a journey, event by event.
export function Waterfall({ of: journey }) {
	const all = legsOf(journey);
	const whole = total(all) || 1;
	return html`<div class="waterfall">
		<p>Version <a class="number" href=${to('search', journey.version)}>${journey.version}</a> took <b>${span(total(all))}</b>${journey.attempts > 1 && html`, in ${plural(journey.attempts, 'attempt')}`}${journey.guest && html`, by guest <${Digest} of=${journey.guest} />`}.</p>
		<${Legend} />
		<table><caption class="unseen">The way of version ${journey.version}</caption>
			<thead><tr><th scope="col">what</th><th scope="col" class="number">took</th><th scope="col"><span class="unseen">when</span></th><th scope="col" class="until">until</th></tr></thead>
			<tbody>${all.map((x) => html`<tr key=${x.event} class=${x.owner === 'guest' ? 'call' : ''}><th scope="row">${x.says}<span class="unseen"> (${owners[x.owner]})</span></th><td class="number">${span(x.took)}</td>
				<td class="when"><svg viewBox="0 0 1000 10" preserveAspectRatio="none" aria-hidden="true"><rect class=${'leg ' + x.owner} x=${Math.min(996, (x.from / whole) * 1000)} width=${Math.max(4, (x.took / whole) * 1000)} height="10" /></svg></td>
				<td class="until faint">${x.event}</td></tr>`)}</tbody></table>
	</div>`;
}

