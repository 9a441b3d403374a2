// The section of the pipeline: from the log to the snapshot, and why it waits.
import { html } from './html.js';
import { Ask, change } from './asking.js';
import { bytes, count, ms, rate, span } from './format.js';
import { may, reads } from './host.js';
import { Facts, State, Time, Version } from './parts.js';
import { reasons } from './reasons.js';
import { to } from './route.js';
import { behind, installs, known, rateOf, status, timeToEnd, useSamples } from './state.js';
import { Kept, Station } from './station.js';
import { meanwhile, stage } from './words.js';

// Pipeline is the section.
export function Pipeline() {
	const s = status.value;
	if (!s) return html`<p class="faint">Asking the host…</p>`;
	if (!reads.value || !s.counts) return html`<${Readiness} of=${s} />`;
	return html`<${Readiness} of=${s} />${s.standby && html`<${Kept} of=${s} />`}${installs(s) && html`<${Stages} of=${s} />`}<${Cohort} of=${s} />${installs(s) && html`<${Counts} of=${s.counts} />`}`;
}

// Readiness is whether the host makes progress, and if not why and what to do.
function Readiness({ of: { readiness, blocker } }) {
	const { ready, reason, detail, degraded } = readiness;
	const explained = reasons[reason];
	return html`<section class=${'card verdict ' + (ready ? 'good' : 'bad')} aria-labelledby="readiness">
		<h2 id="readiness"><${State} is=${ready ? 'good' : 'bad'}>${ready ? 'Ready' : 'Not ready'}<//>${reason && html` <code>${reason}</code>`}</h2>
		${explained ? html`<p>${explained.sentence}</p>` : ready && html`<p>It makes progress, or has nothing to do.</p>`}
		${detail && html`<p class="detail">${detail}</p>`}
		${explained && html`<p><b>What to do:</b> ${remedy(explained.remedy)}</p>`}
		${!ready && blocker > 0 && html`<p>It is about version <${Version} of=${blocker} />${reason === 'poison_held' && html`; see the <a href=${to('quarantine')}>quarantine</a>`}.</p>`}
		${degraded && html`<p><${State} is="odd"><b>Degraded:</b> ${degraded}<//></p>`}
	</section>`;
}

// remedy shows what stands between backquotes as code.
const remedy = (text) => text.split('`').map((part, i) => (i % 2 ? html`<code key=${i}>${part}</code>` : part));

// Stages are the stations of a version's way, with how many are there, how many pass a second, and why they wait.
function Stages({ of: s }) {
	const samples = (useSamples().value.value || []).filter(known);
	const latest = samples.at(-1);
	const { ready } = s.readiness;
	const waits = s.waiting_for || (ready ? '' : s.readiness.reason);
	const at = stage[waits];
	const well = ready && at ? meanwhile[waits] : ''; // nothing to look at
	const sentence = !well && reasons[waits]?.sentence;
	const unread = Math.max(0, s.log_end - s.next);
	const installed = rateOf((x) => x.counts.installed);
	const groups = rateOf((x) => x.counts.groups);
	const left = timeToEnd(samples);
	const stages = [
		{
			name: 'log', title: 'Log', big: unread, of: 'positions unread', rate: rateOf((x) => x.log_end), series: samples.map((x) => Math.max(0, x.log_end - x.next)),
			more: [['end', s.log_end], ['read next', s.next]], waits: s.paused && 'Reading waits: what is decided fills its share of the memory.',
		},
		{
			name: 'suffix', title: 'Suffix', big: s.suffix.length, of: 'wait for a decision', rate: rateOf((x) => x.counts.forwarded), series: samples.map((x) => x.suffix),
			more: [['lowest', s.suffix.head > 0 && html`<${Version} of=${s.suffix.head} />`]],
		},
		{
			name: 'queue', title: 'Queue', big: s.queue.length, of: 'forwarded, not passed', rate: rateOf((x) => x.counts.converted), series: samples.map((x) => x.queue),
			more: [['frontier', s.queue.head > 0 && html`<${Version} of=${s.queue.head} />`], ['undecided', s.undecided > 0 && count(s.undecided)], ['held', s.held > 0 && html`<a href=${to('quarantine')}>${count(s.held)}</a>`]],
		},
		{
			name: 'lanes', title: 'Lanes', big: s.in_flight, of: `in flight, ${s.lanes_up} of ${s.lanes} lanes`, rate: installed, series: samples.map((x) => x.in_flight),
			more: [['groups', rate(groups)], ['versions a group', groups > 0 && count(Math.round(installed / groups))]], waits: s.pause && `Paused by ${s.pause.who}.`,
		},
		{
			name: 'snapshot', title: 'Snapshot', version: s.snapshot, of: 'all up to it is installed', rate: rateOf((x) => x.snapshot), series: samples.map((x) => x.waited_seconds), per: 'positions',
			more: [['age', latest && span(latest.waited_seconds)], ['behind the end', count(behind({ ...s, suffix: s.suffix.length, queue: s.queue.length }))],
				['at the end', latest && (left === Infinity ? 'never, at this rate' : left > 0 ? `in ${span(left)}` : 'now')]],
		},
	];
	return html`<section aria-labelledby="stages"><h2 id="stages" class="unseen">The way of a version</h2><ol class="stages">${stages.map((x) => html`<${Station} key=${x.name} of=${x}
		waits=${x.waits || (at === x.name && sentence && remedy(sentence))} well=${at === x.name && well} blocker=${at === x.name ? s.blocker : 0} />`)}</ol></section>`;
}

// Cohort is who has it, and what an operator may ask for. A host that installs nothing has no memory in use and no
// resume point, nor does it know of a pause: what ends one may then be asked for as well as one.
function Cohort({ of: s }) {
	const own = installs(s);
	const share = s.bytes_most ? s.bytes / s.bytes_most : 0;
	return html`<section class="card" aria-labelledby="cohort"><h2 id="cohort">Cohort</h2>
		<${Facts} of=${[
			['this host', { running: 'owns the cohort', standby: 'stands by' }[s.phase] || s.phase],
			['paused', s.pause && html`by ${s.pause.who} since <${Time} at=${ms(s.pause.since_ns)} />: ${s.pause.reason}`],
			['memory', own && html`<meter aria-label="memory" value=${share} max="1" high="0.8"></meter> ${bytes(s.bytes)} of ${bytes(s.bytes_most)} (${Math.round(share * 100)} %)${s.paused ? '; what is decided fills its share' : ''}`],
			['resume point', own && s.resume], ['topic', s.topic], ['Ichor', s.ichor],
		]} />
		${may('operator') && html`<p class="buttons">${!s.pause && html`<${Ask} of=${pause} />`}${(s.pause || !own) && html`<${Ask} of=${resume(s.pause)} />`}<${Ask} of=${handover} /></p>`}
	</section>`;
}

const pause = { title: 'Pause', verb: 'Pause', effect: 'Nothing is installed, in this host or the next, until it is resumed. Reading goes on until the memory is full.', send: change('v1/pause') };
// resume ends the pause that is shown, and no later one.
const resume = (shown) => ({ title: 'Resume', verb: 'Resume', effect: 'The pause ends, and what was decided meanwhile is installed.', send: change('v1/resume', shown?.request) });
const handover = { title: 'Hand over', verb: 'Hand over', effect: 'The host that owns the cohort finishes what is in flight and gives it to one that stands by. Without one this is refused.', send: change('v1/handover') };

// Counts are all counts of the core.
function Counts({ of: counts }) {
	const rows = Object.entries(counts).filter(([, value]) => typeof value === 'number');
	return html`<details class="card"><summary>All counts since the host began its session</summary>
		<dl class="counts">${rows.map(([name, value]) => html`<div key=${name}><dt>${name.replaceAll('_', ' ').replace(/ ns$/, '')}</dt><dd class="number">${name.endsWith('_ns') ? span(value / 1e9) : count(value)}</dd></div>`)}</dl>
	</details>`;
}
