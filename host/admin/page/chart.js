// One chart of values over time, with a cursor that the arrow keys move, and a table of the same values.
import { html, signal, useEffect, useRef, useState } from './html.js';
import { time } from './format.js';
import { Table } from './parts.js';

const height = 150;
const edge = { left: 56, right: 10, top: 8, bottom: 20 };
const pauseLeast = 5e3; // ms without a sample that leave a gap in a line

// cursor is the instant that is looked at in all charts, ms; undefined for the latest.
const cursor = signal(undefined);

// Chart draws series of values over the same instants, ms. Write turns a value into text, axis the same for the axis,
// whose marks are round numbers of one of the units.
export function Chart({ title, note, times, series, write, axis, units = [1] }) {
	const [width, setWidth] = useState(0);
	const [said, say] = useState('');
	const box = useRef(null);
	useEffect(() => {
		const watch = new ResizeObserver(([entry]) => setWidth(Math.floor(entry.contentRect.width)));
		watch.observe(box.current);
		return () => watch.disconnect();
	}, []);
	const at = nearest(times, cursor.value);
	const reading = (i) => (times[i] === undefined ? 'no samples yet' : `${time(times[i])}: ${series.map((s) => `${s.name} ${write(s.values[i])}`).join(', ')}`);
	const move = (i) => {
		const to = Math.max(0, Math.min(times.length - 1, i));
		cursor.value = times[to];
		say(reading(to));
	};
	const keys = (event) => {
		const moves = { ArrowLeft: at - 1, ArrowRight: at + 1, PageUp: at - 30, PageDown: at + 30, Home: 0, End: times.length - 1 };
		if (event.key === 'Escape') cursor.value = undefined;
		else if (event.key in moves && times.length) move(moves[event.key]);
		else return;
		event.preventDefault();
	};
	const scale = scales(times, series, width, units);
	const point = (event) => {
		const x = event.clientX - box.current.getBoundingClientRect().left;
		if (times.length) cursor.value = times[nearest(times, scale.instant(x))];
	};
	return html`<section class="card chart" aria-label=${title}>
		<h2>${title}</h2><p class="note">${note}</p>
		<div class="plot" ref=${box} tabindex="0" role="group" aria-roledescription="chart" aria-label=${`${title}; the arrow keys move a cursor`} onKeyDown=${keys} onBlur=${() => say('')} onPointerMove=${point} onPointerLeave=${() => { cursor.value = undefined; }}>
			<svg width=${width} height=${height} aria-hidden="true">
				${scale.marks.map((v) => html`<g key=${v}><line class="grid" x1=${edge.left} x2=${width - edge.right} y1=${scale.y(v)} y2=${scale.y(v)} /><text x=${edge.left - 6} y=${scale.y(v) + 4} text-anchor="end">${axis(v)}</text></g>`)}
				${scale.instants.map((t, i) => html`<text key=${i} x=${scale.x(t)} y=${height - 4} text-anchor=${['start', 'middle', 'end'][i]}>${time(t)}</text>`)}
				${series.map((s, i) => html`<path key=${s.name} class=${'line line-' + i} d=${line(times, s.values, scale)} />`)}
				${cursor.value !== undefined && at >= 0 && html`<line class="cursor" x1=${scale.x(times[at])} x2=${scale.x(times[at])} y1=${edge.top} y2=${height - edge.bottom} />
					${series.map((s) => s.values[at] !== undefined && html`<circle key=${s.name} class="dot" cx=${scale.x(times[at])} cy=${scale.y(s.values[at])} r="3" />`)}`}
			</svg>
		</div>
		<p class="reading">${times.length > 0 && html`<span class="faint">${cursor.value === undefined ? 'now' : time(times[at])}</span>`} ${series.map((s, i) => html`<span key=${s.name} class="key"><svg viewBox="0 0 24 8" aria-hidden="true"><path class=${'line line-' + i} d="M0 4H24" /></svg>${s.name} <b class="number">${at < 0 ? '–' : write(s.values[at])}</b></span>`)}</p>
		<p class="unseen" aria-live="polite">${said}</p>
		<${Values} title=${title} times=${times} series=${series} write=${write} />
	</section>`;
}

// Values is the table, the latest first; it is made when somebody opens it.
function Values({ title, times, series, write }) {
	const [open, set] = useState(false);
	return html`<details onToggle=${(e) => set(e.currentTarget.open)}><summary>Table</summary>${open && html`<${Table} caption=${`${title}, values`} heads=${['at', ...series.map((s) => '#' + s.name)]}>
		${times.map((t, i) => html`<tr key=${t}><td>${time(t)}</td>${series.map((s) => html`<td key=${s.name} class="number">${write(s.values[i])}</td>`)}</tr>`).reverse()}<//>`}</details>`;
}

// nearest returns the index of the instant that is nearest, the latest without one, -1 for none.
function nearest(times, at) {
	if (at === undefined) return times.length - 1;
	let best = times.length - 1;
	for (let i = times.length - 2; i >= 0 && Math.abs(times[i] - at) < Math.abs(times[best] - at); i--) best = i;
	return best;
}

// scales places values and instants; marks are of the axis, instants below it.
function scales(times, series, width, units) {
	const most = Math.max(0, ...series.flatMap((s) => s.values.filter(Number.isFinite)));
	const unit = units.findLast((u) => u <= most) || units[0];
	const top = round(most / unit) * unit;
	const from = times[0] ?? 0;
	const length = Math.max(1, (times.at(-1) ?? 1) - from);
	const [wide, high] = [Math.max(1, width - edge.left - edge.right), height - edge.top - edge.bottom];
	return {
		x: (t) => edge.left + ((t - from) / length) * wide,
		y: (v) => edge.top + high - (Math.min(v, top) / top) * high,
		instant: (x) => from + ((x - edge.left) / wide) * length,
		marks: [0, top / 2, top],
		instants: times.length > 1 ? [from, from + length / 2, from + length] : [],
	};
}

// round returns the next of 1, 2 or 5 times a power of ten.
function round(n) {
	if (!(n > 0)) return 1;
	const power = 10 ** Math.floor(Math.log10(n));
	return [1, 2, 5, 10].map((f) => f * power).find((v) => v >= n);
}

function line(times, values, { x, y }) {
	let d = '';
	let pen = false;
	values.forEach((v, i) => {
		if (!Number.isFinite(v)) {
			pen = false;
			return;
		}
		d += `${pen && times[i] - times[i - 1] < pauseLeast ? 'L' : 'M'}${x(times[i]).toFixed(1)} ${y(v).toFixed(1)}`;
		if (!pen && !Number.isFinite(values[i + 1])) d += 'h0.01'; // one alone is a dot
		pen = true;
	});
	return d;
}
