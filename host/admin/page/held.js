// The list of held versions. It draws the rows that are seen, and so shows a thousand as it does ten.
import { html, useEffect, useRef, useState } from './html.js';
import { plural } from './format.js';
import { Age, State } from './parts.js';
import { go } from './route.js';

const rowHeight = 52; // px, as the style has it
const beyond = 5; // rows above and below those that are seen

// Held is the list; chosen is the version that is looked at.
export function Held({ of: rows, chosen }) {
	const list = useRef(null);
	const [view, look] = useState({ top: 0, height: 600 });
	const [active, set] = useState(() => Math.max(0, rows.findIndex((r) => String(r.version) === chosen)));
	const at = Math.min(active, rows.length - 1);
	const measure = () => look({ top: list.current.scrollTop, height: list.current.clientHeight });
	const reveal = (i) => {
		const { scrollTop, clientHeight } = list.current;
		if (i * rowHeight < scrollTop) list.current.scrollTop = i * rowHeight;
		if ((i + 1) * rowHeight > scrollTop + clientHeight) list.current.scrollTop = (i + 1) * rowHeight - clientHeight;
		measure();
	};
	useEffect(() => reveal(at), []);
	const move = (i) => {
		const next = Math.max(0, Math.min(rows.length - 1, i));
		set(next);
		reveal(next);
	};
	const keys = (event) => {
		const page = Math.max(1, Math.floor(view.height / rowHeight) - 1);
		const moves = { ArrowDown: at + 1, ArrowUp: at - 1, PageDown: at + page, PageUp: at - page, Home: 0, End: rows.length - 1 };
		if (event.key in moves) move(moves[event.key]);
		else if (event.key === 'Enter' || event.key === ' ') go('quarantine', rows[at].version);
		else return;
		event.preventDefault();
	};
	const from = Math.max(0, Math.floor(view.top / rowHeight) - beyond);
	const until = Math.min(rows.length, Math.ceil((view.top + view.height) / rowHeight) + beyond);
	return html`<div class="held" ref=${list} role="listbox" tabindex="0" aria-label=${`${plural(rows.length, 'version')}; Enter shows one`} aria-activedescendant=${rows[at] && `held-${rows[at].version}`} onKeyDown=${keys} onScroll=${measure}>
		<div role="presentation" style=${{ height: rows.length * rowHeight + 'px' }}>${rows.slice(from, until).map((row, i) => html`<${Row} key=${row.version} of=${row} at=${from + i} rows=${rows.length} active=${from + i === at} chosen=${String(row.version) === chosen} choose=${() => { set(from + i); go('quarantine', row.version); }} />`)}</div>
	</div>`;
}

const Row = ({ of: r, at, rows, active, chosen, choose }) => html`<div id=${'held-' + r.version} role="option" class=${'held-row' + (active ? ' active' : '')} aria-selected=${chosen} aria-posinset=${at + 1} aria-setsize=${rows}
	style=${{ top: at * rowHeight + 'px' }} onClick=${choose}>
	<p><b class="number">${r.version}</b> <${State} is=${r.held ? 'bad' : 'none'}>${r.held ? r.kind : r.resolution || 'recorded'}<//>${r.code && html` <code>${r.code}</code>`}${r.asked && html` <i>${r.asked} asked for</i>`} <span class="faint since">${r.times > 1 && `×${r.times}, `}<${Age} of=${r.first_at} /></span></p>
	<p class="faint message">${r.message}</p></div>`;
