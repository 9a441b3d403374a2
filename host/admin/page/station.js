// A station of the pipeline: how many are there, how many pass a second, and why they wait.
import { html } from './html.js';
import { bytes, count, rate } from './format.js';
import { Facts, State, Version } from './parts.js';
import { Spark } from './spark.js';
import { rateOf } from './state.js';

// Station is one of them. Big is a number that counts, a text, or nothing where a version is what it shows.
export function Station({ of: x, waits, well, blocker }) {
	const why = waits ? html`<${State} is="odd">${waits}<//>` : well;
	return html`<li class=${'stage' + (waits ? ' waits' : '')}>
		<h3>${x.title}</h3>
		<p class="big">${x.version ?? (typeof x.big === 'string' ? x.big : count(x.big))}</p><p class="faint">${x.of}</p>
		${'rate' in x && html`<p class="rate">${rate(x.rate)}${x.per && html` <span class="faint">${x.per}</span>`}</p>`}
		${x.series && html`<${Spark} of=${x.series} />`}
		${x.more && html`<${Facts} of=${x.more} />`}
		${why && html`<p class=${waits ? 'why' : 'why faint'}>${why}${blocker > 0 && html` Version <${Version} of=${blocker} />.`}</p>`}
	</li>`;
}

// Kept are the stations of a host that stands by: it reads the log and keeps what the owner has not installed.
export function Kept({ of: s }) {
	const log = { title: 'Log', big: Math.max(0, s.log_end - s.next), of: 'positions unread', rate: rateOf((x) => x.log_end), more: [['end', s.log_end], ['read next', s.next]] };
	const kept = { title: 'Memory', big: bytes(s.standby.bytes), of: 'of the log, for when it takes the cohort over' };
	return html`<section aria-labelledby="stages"><h2 id="stages" class="unseen">What is read while it stands by</h2><ol class="stages">
		<${Station} of=${log} /><${Station} of=${kept} waits=${s.standby.full && 'Reading waits until the owner has passed some of it.'} /></ol></section>`;
}
