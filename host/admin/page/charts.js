// The section of the charts: what the host measured of itself in the latest quarter of an hour.
import { html, useMemo, useState } from './html.js';
import { Chart } from './chart.js';
import { brief, bytes, count, ms, rate, span, spanBrief } from './format.js';
import { Awaited, StandsBy } from './parts.js';
import { behind, known, timeToEnd, useSamples } from './state.js';

const lengths = [[60, '1 min'], [300, '5 min'], [900, '15 min']];

// Charts is the section.
export function Charts() {
	const [length, set] = useState(300);
	const feed = useSamples();
	return html`<fieldset class="row"><legend class="unseen">How much is shown</legend>${lengths.map(([seconds, says]) => html`<label key=${seconds}><input type="radio" name="length" value=${seconds} checked=${seconds === length} onChange=${() => set(seconds)} /> ${says}</label>`)}
			<span class="faint">In a chart the arrow keys move the cursor, Page Up and Page Down by half a minute, Escape goes back to now.</span></fieldset>
		<${StandsBy}>the present is on the page of the owner.<//>
		<${Awaited} feed=${feed}>${(samples) => (samples.some(known) ? html`<${All} of=${samples} length=${length} />` : html`<p class="faint">It has not had the cohort in the latest quarter of an hour.</p>`)}<//>`;
}

const passed = (s) => (s === 0 ? undefined : s);
const some = (write) => (v) => (v === undefined ? '–' : write(v));
const toEnd = (s) => (s === undefined ? '–' : s === 0 ? 'at its end' : s === Infinity ? 'never at this rate' : `there in ${span(s)} at this rate`);

function All({ of: all, length }) {
	const shown = all.slice(-length);
	const left = useMemo(() => shown.map((s, i) => (known(s) ? timeToEnd(all, all.length - shown.length + i) : undefined)), [all, length]);
	const times = shown.map((s) => ms(s.at_ns));
	const of = (read) => shown.map((s) => (known(s) ? read(s) : undefined)); // a gap while another host has the cohort
	const charts = [
		{ title: 'Rate', note: 'versions installed in a second', series: [{ name: 'installed', values: of((s) => s.installed) }], write: some(rate), axis: brief },
		{ title: 'Lag', note: html`positions behind the log’s end: <b>${toEnd(left.at(-1))}</b>`, series: [{ name: 'behind', values: of(behind) }, { name: 'of them unread', values: of((s) => Math.max(0, s.log_end - s.next)) }], write: some(count), axis: brief },
		{ title: 'Time to the log’s end', note: 'at the rate of the ten seconds before; a gap for never', series: [{ name: 'time', values: left.map((v) => (v === Infinity ? undefined : v)) }], write: some(span), axis: spanBrief, units: [1, 60, 3600] },
		{ title: 'Latency', note: 'from reading a candidate to its commit, of the versions that were installed in that second', series: [{ name: 'p50', values: of((s) => passed(s.p50_seconds)) }, { name: 'p99', values: of((s) => passed(s.p99_seconds)) }], write: some(span), axis: spanBrief, units: [1, 60, 3600] },
		{ title: 'Snapshot age', note: 'how long the version has been there that the snapshot waits for', series: [{ name: 'age', values: of((s) => s.waited_seconds) }], write: some(span), axis: spanBrief, units: [1, 60, 3600] },
		{ title: 'Queue', note: 'versions at each station', series: [{ name: 'suffix', values: of((s) => s.suffix) }, { name: 'queue', values: of((s) => s.queue) }, { name: 'in flight', values: of((s) => s.in_flight) }, { name: 'held', values: of((s) => s.held) }], write: some(count), axis: brief },
		{ title: 'Memory', note: 'that counts against limits.memory', series: [{ name: 'memory', values: of((s) => s.bytes) }], write: some(bytes), axis: bytes, units: [1, 2 ** 10, 2 ** 20, 2 ** 30] },
	];
	return html`<div class="charts">${charts.map((c) => html`<${Chart} key=${c.title} ...${c} times=${times} />`)}</div>`;
}
