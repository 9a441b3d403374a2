// Small parts that several sections are made of.
import { html } from './html.js';
import { full, ms, plural, short, span, time } from './format.js';
import { Lost, now } from './host.js';
import { to } from './route.js';
import { status } from './state.js';
import { stands } from './words.js';

// StandsBy is a line for a section of a host that stands by: what is missing there is no failure. Who owns the cohort is
// as far as the host knows.
export const StandsBy = ({ children }) => status.value?.phase === 'standby' && html`<p class="card">This host stands by and installs nothing: ${children} <span class="faint">${status.value.readiness.detail && `${status.value.readiness.detail}.`}</span></p>`;

// Version is a link to a version's place.
export const Version = ({ of }) => html`<a class="number" href=${to('search', of)}>${of}</a>`;

// Digest is as much of one as people compare; all of it is its title.
export const Digest = ({ of }) => (of ? html`<code title=${of}>${short(of)}</code>` : html`<span class="faint">none</span>`);

// Time is an instant, ms or text, by the clock.
export function Time({ at }) {
	const when = typeof at === 'string' ? Date.parse(at) : at;
	if (!(when > 0)) return html`<span class="faint">–</span>`;
	return html`<time datetime=${new Date(when).toISOString()} title=${full(when)}>${time(when)}</time>`;
}

// Age is how long ago an instant was, in nanoseconds or a text.
export function Age({ of }) {
	const at = typeof of === 'string' ? Date.parse(of) : ms(of);
	return html`<time datetime=${new Date(at).toISOString()} title=${full(at)}>${span(Math.max(0, Math.round((now() - at) / 1000)))}</time>`;
}

// State is a word with a sign and a colour: good, odd, bad or none.
export const State = ({ is = 'none', children }) => html`<span class=${'state ' + is}><span class="sign" aria-hidden="true">${signs[is]}</span>${children}</span>`;

const signs = { good: '●', odd: '▲', bad: '■', none: '○' };

// Stands is where a version stands, as a State.
export const Stands = ({ of }) => html`<${State} is=${standing[of] || 'none'}>${stands[of] || of}<//>`;

const standing = { held: 'bad', undecided: 'odd', behind_undecided: 'odd', backing_off: 'odd', waiting: 'odd', below_snapshot: 'good', settled: 'good', installed_ahead: 'good' };

// Facts is a list of names and values; those without a value are left out.
export const Facts = ({ of }) => html`<dl class="facts">${of
	.filter(([, value]) => value !== undefined && value !== null && value !== '' && value !== false)
	.map(([name, value]) => html`<div key=${name}><dt>${name}</dt><dd>${value}</dd></div>`)}</dl>`;

// Problem says what is wrong with a question, where that is not said for all of them.
export function Problem({ error }) {
	if (!error || error instanceof Lost) return null;
	return html`<p class="problem" role="alert"><${State} is="bad">${error.message}<//></p>`;
}

// Awaited shows something once a feed has it: until then that it is asked for, and what is wrong.
export function Awaited({ feed, children }) {
	const value = feed.value.value;
	return html`<${Problem} error=${feed.error.value} />${value === undefined
		? !feed.error.value && html`<p class="faint">Asking the host…</p>`
		: children(value)}`;
}

// Table has a caption for who cannot see it, and scrolls by itself where it is too wide. One of texts flows on a narrow screen: each
// row is as many lines as its cells need.
export const Table = ({ caption, heads, flows, children }) => html`<div class="wide" tabindex="0" role="region" aria-label=${caption + ', table'}><table class=${flows ? 'flows' : ''}>
	<caption class="unseen">${caption}</caption>
	<thead><tr>${heads.map((head) => html`<th scope="col" key=${head} class=${head.startsWith('#') ? 'number' : ''}>${head.replace('#', '')}</th>`)}</tr></thead>
	<tbody>${children}</tbody>
</table></div>`;

// Text is a block of code.
export const Text = ({ of, label }) => html`<pre tabindex="0" role="region" aria-label=${label}><code>${of}</code></pre>`;

// Outcome is what a guest made of a version: its statements with their values, or why there are none.
export function Outcome({ of, label }) {
	const statements = of.statements || [];
	return html`<div class="outcome">
		<p><${State} is=${of.status === 'rejected' ? 'bad' : 'none'}>${of.status}<//> ${of.message && html`${of.class} ${of.code}: ${of.message}`}
			${of.status === 'converted' && plural(statements.length + (of.statements_before || 0) + (of.statements_after || 0), 'statement')}</p>
		${of.statements_before > 0 && html`<p class="faint">${plural(of.statements_before, 'statement')} before</p>`}
		${statements.map((s, i) => html`<div key=${i} class="statement"><p><code>${s.name}</code></p><${Text} of=${s.sql} label=${`${label}, statement ${i + 1}`} />
			${s.values.length > 0 && html`<ol class="values">${s.values.map((value, at) => html`<li key=${at}><code>${'$' + (at + 1)}</code> <code>${value === null ? 'null' : value}</code> <span class="faint">${s.params[at]}</span></li>`)}</ol>`}
		</div>`)}
		${of.statements_after > 0 && html`<p class="faint">${plural(of.statements_after, 'statement')} after</p>`}
	</div>`;
}
