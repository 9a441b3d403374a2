// The section of the journeys: the ways of the latest versions and of the slowest, and one alone.
import { html, useState } from './html.js';
import { status, useDatabase } from './state.js';
import { useFeed } from './feed.js';
import { span } from './format.js';
import { Awaited, StandsBy, Table } from './parts.js';
import { route, to } from './route.js';
import { Bar, Legend, Waterfall, legsOf, reached } from './waterfall.js';

const most = 25;

// Journeys is the section.
export const Journeys = () => (route.value.of ? html`<${One} key=${route.value.of} version=${route.value.of} />` : html`<${All} />`);

function All() {
	const [follow, set] = useState(true);
	const feed = useFeed(follow ? `v1/journeys?limit=${most}` : '');
	const [kept, keep] = useState();
	const value = follow ? feed.value.value : kept;
	const hold = (event) => {
		keep(feed.value.peek());
		set(event.currentTarget.checked);
	};
	return html`<p class="row"><label><input type="checkbox" checked=${follow} onChange=${hold} /> follow each second</label><${Legend} /></p>
		<${StandsBy}>versions have their journeys on the page of the owner; those here are from when this host had the cohort.<//>
		<p class="faint">Times are from reading a candidate to its installation, and until the snapshot passed it, – while it has not; a bar is all of that.</p>
		${value ? html`<div class="two"><${List} title="Recent" of=${value.recent} /><${List} title="Slowest" of=${value.slowest} /></div>` : html`<${Awaited} feed=${feed}>${() => null}<//>`}`;
}

function List({ title, of: journeys }) {
	return html`<section class="card" aria-label=${title}><h2>${title}</h2>
		${!journeys?.length ? html`<p class="faint">${status.value?.phase === 'standby' ? 'None.' : 'No version was installed since the host began.'}</p>`
		: html`<${Table} caption=${title} heads=${['version', '#installed', '#snapshot', 'way']}>${journeys.map((j) => {
			const all = legsOf(j);
			return html`<tr key=${j.version}><td><a class="number" href=${to('journeys', j.version)}>${j.version}</a></td><td class="number">${j.attempts > 1 && html`<span class="faint" title="transactions with it that were begun">×${j.attempts}</span> `}${span(reached(all, 'InstallerStatemapInstallationComplete'))}</td><td class="number">${span(reached(all, 'SnapshotPersisted'))}</td><td class="way"><${Bar} of=${all} /></td></tr>`;
		})}<//>`}
	</section>`;
}

function One({ version }) {
	const feed = useDatabase(`v1/versions/${encodeURIComponent(version)}`);
	return html`<p><a href=${to('journeys')}>All journeys</a></p><section class="card" aria-label="Journey">
		<${Awaited} feed=${feed}>${(v) => (v.journey ? html`<${Waterfall} of=${v.journey} />` : html`<p>${v.sentence}</p><p class="faint">Its events are not kept: they are once a version is installed, of the latest and of the slowest. <a href=${to('search', version)}>Where it stands</a></p>`)}<//></section>`;
}
