// The section of the quarantine: what cannot be installed, why, and what may be done about it.
import { html, useEffect, useState } from './html.js';
import { Ask, change } from './asking.js';
import { count, plural } from './format.js';
import { Held } from './held.js';
import { may } from './host.js';
import { pretty } from './json.js';
import { Awaited, Digest, Facts, Outcome, State, Table, Text, Time } from './parts.js';
import { route, to } from './route.js';
import { status, useDatabase } from './state.js';
import { kinds } from './words.js';

const most = 1000; // rows that the host answers with at once

// Quarantine is the section.
export function Quarantine() {
	const [filter, set] = useState({});
	const given = Object.entries(filter).filter(([, value]) => value);
	const feed = useDatabase('v1/quarantine?' + new URLSearchParams([['limit', most], ...given]));
	const held = status.value?.held;
	useEffect(() => {
		feed.ask(); // what is shown is another by now
	}, [held]);
	const narrow = (more) => set({ ended: filter.ended, ...more });
	return html`<${Awaited} feed=${feed}>${(q) => html`
		<section class="card" aria-labelledby="reasons"><h2 id="reasons">Reasons</h2>
			${q.reasons.length === 0 ? html`<p><${State} is="good">Nothing is held.<//></p>` : html`<${Reasons} of=${q.reasons} narrow=${narrow} />`}
			<p class="row">${filter.kind && html`<button type="button" onClick=${() => narrow({})}>All reasons</button>`}
				<label><input type="checkbox" checked=${filter.ended} onChange=${(e) => set({ ...filter, ended: e.currentTarget.checked })} /> also those that have ended</label></p></section>
		<div class=${route.value.of ? 'beside' : ''}>
			${q.versions.length > 0 && html`<section class="card" aria-label="Versions"><h2>${filter.after ? `Versions above ${filter.after}` : 'Versions'}</h2>
				<${Held} key=${JSON.stringify(filter)} of=${q.versions} chosen=${route.value.of} />
				<p class="row">${filter.after && html`<button type="button" onClick=${() => set({ ...filter, after: 0 })}>From the beginning</button>`}${q.next > 0 && html`<button type="button" onClick=${() => set({ ...filter, after: q.next })}>The next ${count(most)}</button>`}</p></section>`}
			${route.value.of && html`<${One} key=${route.value.of} version=${route.value.of} />`}
		</div>`}<//>`;
}

function Reasons({ of, narrow }) {
	return html`<${Table} caption="Reasons for which versions are held" heads=${['reason', 'code', '#versions', 'together']}>${of.map((r) => html`<tr key=${r.kind + ' ' + r.code}>
		<td><code>${r.kind}</code> <span class="faint">${kinds[r.kind]}</span></td><td>${r.code && html`<code>${r.code}</code>`}</td><td class="number">${count(r.versions)}</td>
		<td class="buttons"><button type="button" aria-label=${`Show ${named(r)}`} onClick=${() => narrow(alike(r))}>Show</button>
			${may('operator') && html`<${Ask} of=${retryAll(r)} /><${Ask} of=${skipAll(r)} />`}</td></tr>`)}<//>`;
}

const named = (r) => plural(r.versions, 'version') + ' held for ' + r.kind + (r.code ? ' ' + r.code : '');
const alike = (r) => ({ kind: r.kind, ...(r.code && { code: r.code }) });

const retryAll = (r) => ({
	title: `Retry ${named(r)}`, verb: 'Retry all', about: named(r), send: change('v1/quarantine/alike/retry', '', alike(r)),
	effect: 'Their records are read again, the guest converts them, and they are tried at once.',
});
const skipAll = (r) => ({
	title: `Skip ${named(r)}`, verb: 'Skip all', about: named(r), loses: true, send: change('v1/quarantine/alike/skip', r.hash, alike(r)),
	effect: html`They settle <b>without effects</b>, and what waits for them goes on over rows that lack them. It is refused if they are others by then than those of hash <code>${r.hash}</code>.`,
});

// One is everything that is known of one of them.
function One({ version }) {
	const feed = useDatabase(`v1/quarantine/${encodeURIComponent(version)}`);
	return html`<section class="card one" aria-label=${`Version ${version}`}>
		<${Awaited} feed=${feed}>${(h) => html`
			<h2>Version <a class="number" href=${to('search', h.version)}>${h.version}</a> <${State} is=${h.held ? 'bad' : 'none'}>${h.held ? 'held' : h.resolution || 'recorded'}<//></h2>
			<p class="sentence"><code>${h.kind}</code>${h.code && html` <code>${h.code}</code>`} <span class="faint">${kinds[h.kind]}</span></p>
			<${Text} of=${h.message} label="Error" />
			<dl class="foreseen"><div><dt>A retry</dt><dd>${h.retry}</dd></div><div><dt>A skip</dt><dd>${h.skip}</dd></div></dl>
			${h.held && may('operator') && html`<p class="buttons"><${Ask} of=${retry(h)} /><${Ask} of=${skip(h)} /></p>`}
			<${Facts} of=${[
				['waits for it', radius(h.stands?.radius)], ['running host', h.no_host], ['asked for', h.asked],
				['xid', h.xid && html`<a href=${to('search', h.xid)}><code>${h.xid}</code></a>`], ['cohort', h.cohort], ['agent', h.agent],
				['guest', h.digest && html`<${Digest} of=${h.digest} />`], ['safepoint', h.safepoint], ['held', `${plural(h.times, 'time')}, by any host`],
				['first', html`<${Time} at=${h.first_at} />`], ['latest', html`<${Time} at=${h.last_at} />`],
				['ended', h.resolved_at && html`<${Time} at=${h.resolved_at} />, ${h.resolution}`], ['hash', html`<code>${h.hash}</code>`],
				['writes', keys(h.writes)], ['reads', keys(h.reads)],
			]} />
			${h.statemap_text && html`<h3>Statemap</h3><${Text} of=${pretty(h.statemap_text)} label="Statemap" />`}
			<h3>SQL</h3>${h.converted ? html`<${Outcome} of=${h.converted} label="SQL" />` : html`<p class="faint">${h.not_converted || 'No guest converted it.'}</p>`}`}<//>
		<p><a href=${to('quarantine')}>Close</a></p></section>`;
}

const keys = (all) => all?.length > 0 && html`<span class="keys">${all.map((key) => html`<code key=${key}>${key}</code> `)}</span>`;

const radius = (r) => r && `${r.partial ? 'at least ' : ''}${plural(r.versions, 'version')} over ${plural(r.keys, 'key')}; ${count(r.free)} for nothing else that is stuck`;

const retry = (h) => ({ title: `Retry version ${h.version}`, verb: 'Retry', effect: html`What it does: ${h.retry}.`, send: change(`v1/quarantine/${h.version}/retry`) });
const skip = (h) => ({
	title: `Skip version ${h.version}`, verb: 'Skip', loses: true, send: change(`v1/quarantine/${h.version}/skip`, h.hash),
	effect: html`What it does: ${h.skip}. It is refused if the version is held for something else by then than what is shown, hash <code>${h.hash}</code>.`,
});
