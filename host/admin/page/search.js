// The section of the search: where one version stands, and why.
import { html } from './html.js';
import { Ask, change } from './asking.js';
import { useFeed, asksDatabase, everySecond } from './feed.js';
import { count, ms, plural } from './format.js';
import { may } from './host.js';
import { Age, Awaited, Digest, Facts, Stands, State, Table, Time, Version } from './parts.js';
import { go, route, to } from './route.js';
import { Waterfall } from './waterfall.js';

const number = /^\d{1,19}$/;
const uuid = /^[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}$/i;

// Search is the section.
export function Search() {
	const { of } = route.value;
	return html`<${Field} key=${of} of=${of} />
		${number.test(of) && html`<${OfVersion} key=${of} version=${of} />`}
		${uuid.test(of) && html`<${OfXID} key=${of} xid=${of} />`}
		${of && !number.test(of) && !uuid.test(of) && html`<p class="problem" role="alert"><${State} is="bad">A version is a number, and an xid a UUID: “${of}” is neither.<//></p>`}
		${!of && html`<p class="faint">A version is the position of its candidate in the log. An xid that was sent again has several.</p>`}`;
}

function Field({ of }) {
	const find = (event) => {
		event.preventDefault();
		go('search', event.currentTarget.elements.of.value.trim());
	};
	return html`<form role="search" class="row" onSubmit=${find}><label for="of">Version or xid</label><input id="of" name="of" size="38" autocomplete="off" spellcheck="false" defaultValue=${of} required /><button type="submit" class="main">Find</button></form>`;
}

const ended = ['below_snapshot', 'settled', 'no_candidate'];

function OfVersion({ version }) {
	const feed = useFeed(`v1/versions/${version}`, everySecond);
	feed.every = ended.includes(feed.value.value?.stands) ? asksDatabase : everySecond; // what has ended hardly changes
	return html`<${Awaited} feed=${feed}>${(v) => html`<${Explained} of=${v} />`}<//>`;
}

function OfXID({ xid }) {
	const feed = useFeed(`v1/xids/${xid}`, asksDatabase);
	return html`<${Awaited} feed=${feed}>${(x) => html`<p>The xid has ${plural(x.versions.length, 'version')}.</p>${x.versions.map((v) => html`<${Explained} key=${v.version} of=${v} />`)}`}<//>`;
}

// Explained is a version at this instant.
export function Explained({ of: v }) {
	return html`<section class="card" aria-labelledby=${'version-' + v.version}>
		<h2 id=${'version-' + v.version}>Version ${v.version} <${Stands} of=${v.stands} /></h2>
		<p class="sentence">${v.sentence}</p>
		${v.waits_for?.length > 0 && html`<h3>Waits for</h3><${Table} caption="What it waits for" heads=${['version', 'stands', 'key', 'read']}>
			${v.waits_for.map((w) => html`<tr key=${w.version}><td><${Version} of=${w.version} /></td><td><${Stands} of=${w.stands} /></td><td>${w.key ? html`<code>${w.key}</code>` : html`<span class="faint">–</span>`}</td><td>${w.since_ns ? html`<${Age} of=${w.since_ns} /> ago` : '–'}</td></tr>`)}<//>`}
		<${Facts} of=${[
			['outcome', v.outcome && v.outcome + (v.duplicate ? ', of a copy of an earlier candidate' : '') + (v.abandoned ? ', by an operator who abandoned it' : '')],
			['safepoint', v.safepoint && html`<${Version} of=${v.safepoint} />`],
			['decision at', v.decision_at],
			['read', v.received_at_ns && html`<${Time} at=${ms(v.received_at_ns)} />`],
			['lane', v.lane !== undefined && v.lane !== null && String(v.lane)],
			['attempts', v.attempts && `${plural(v.attempts, 'transaction')} of this host`],
			['tried again', v.retry_at_ns && html`<${Time} at=${ms(v.retry_at_ns)} />`],
			['failure', v.failure],
			['waits for it', v.radius && `${v.radius.partial ? 'at least ' : ''}${plural(v.radius.versions, 'version')} over ${plural(v.radius.keys, 'key')}; ${count(v.radius.free)} for nothing else that is stuck`],
			['was held until', v.held_until_ns && html`<${Time} at=${ms(v.held_until_ns)} />, ${(v.held_ended || '').replaceAll('_', ' ')}`],
			['guest', v.guest && html`<${Digest} of=${v.guest} />`],
		]} />
		<p class="buttons">${v.stands === 'held' && html`<a class="button" href=${to('quarantine', v.version)}>In the quarantine</a>`}
			${v.outcome === 'undecided' && v.stands !== 'not_read' && v.stands !== 'no_candidate' && may('operator') && html`<${Ask} of=${abandon(v.version)} />`}</p>
		${v.journey && html`<h3>Journey</h3><${Waterfall} of=${v.journey} /><p><a href=${to('journeys', v.version)}>Its journey alone</a></p>`}
	</section>`;
}

const abandon = (version) => ({
	title: `Abandon version ${version}`, verb: 'Abandon', loses: true, send: change(`v1/versions/${version}/abandon`),
	effect: 'The candidate counts as aborted, for ever, whatever the certifier says later. It is refused once a decision is there. Each cohort of the log must be told.',
});
