// Asking for a change: a dialogue that says what it does, takes the reason, and tells what became of it.
import { html, signal, useLayoutEffect, useRef, useState } from './html.js';
import { askAll } from './feed.js';
import { post } from './host.js';
import { State, Version } from './parts.js';
import { to } from './route.js';

// asking is the change that somebody is about to ask for, undefined for none: its title, the verb on its button, what
// it does, whether it loses something, further fields, and send, which takes the reason and the form.
const asking = signal(undefined);

let opener;

// ask opens the dialogue.
export function ask(change) {
	opener = document.activeElement;
	asking.value = change;
}

// change returns a send that posts to a path; match is what is shown of what is changed.
export const change = (path, match, more = {}) => (reason) => post(path, { reason, ...more }, { match });

// Ask is a button that opens the dialogue; who only hears it hears what it is about as well, where that stands beside it.
export function Ask({ of }) {
	const says = of.verb + '…';
	return html`<button type="button" aria-label=${of.about && `${says} ${of.about}`} class=${of.loses ? 'loses' : ''} onClick=${() => ask(of)}>${says}</button>`;
}

// Asking is the dialogue, while one is open.
export function Asking() {
	const of = asking.value;
	return of ? html`<${Dialogue} key=${of.title} of=${of} />` : null;
}

function Dialogue({ of }) {
	const dialogue = useRef(null);
	const [state, set] = useState({});
	useLayoutEffect(() => dialogue.current.showModal(), []);
	// The browser tells of a close only later, and another dialogue may be open by then.
	const close = () => {
		if (asking.value !== of) return;
		dialogue.current.close();
		asking.value = undefined;
		if (opener?.isConnected) opener.focus();
		askAll();
	};
	const send = async (event) => {
		event.preventDefault();
		const form = event.currentTarget;
		const reason = form.elements.reason.value.trim();
		if (!reason) {
			set({ error: 'Give a reason: who reads the audit later wants to know why.' });
			form.elements.reason.focus();
			return;
		}
		set({ busy: true });
		try {
			set({ requests: (await of.send(reason, form)).requests });
		} catch (e) {
			set({ error: e.message });
		}
	};
	return html`<dialog ref=${dialogue} aria-labelledby="asking" onClose=${close} onCancel=${(e) => state.busy && e.preventDefault()}>
		<h2 id="asking">${of.title}</h2>
		${state.requests ? html`<${Became} of=${state.requests} /><p class="buttons"><button type="button" autofocus onClick=${close}>Close</button></p>` : html`<form onSubmit=${send}>
			<div class="effect">${of.effect}</div>
			${of.fields}
			<label for="reason">Reason, for the audit</label>
			<textarea id="reason" name="reason" rows="3" maxlength="1000" required autofocus=${!of.fields} aria-describedby="asking-error"></textarea>
			<p id="asking-error" role="alert" class="problem">${state.error && html`<${State} is="bad">${state.error}<//>`}</p>
			<p class="buttons">
				<button type="submit" class=${of.loses ? 'loses' : 'main'} disabled=${state.busy}>${state.busy ? 'Asking…' : of.verb}</button>
				<button type="button" disabled=${state.busy} onClick=${close}>Cancel</button>
			</p>
		</form>`}
	</dialog>`;
}

// Became says what became of requests so far.
function Became({ of }) {
	const done = of.filter((r) => r.outcome === 'done').length;
	const stand = of.filter((r) => !r.ended_at).length;
	const refused = of.filter((r) => r.ended_at && r.outcome !== 'done');
	return html`<div role="status">
		${done > 0 && html`<p><${State} is="good">${done === 1 ? 'Done.' : `${done} are done.`}<//></p>`}
		${stand > 0 && html`<p><${State} is="none">${of.length === 1 ? `It is written down as request ${of[0].id} and stands: the host that owns the cohort carries it out.` : `${stand} stand: the host that owns the cohort carries them out.`}<//></p>`}
		${refused.slice(0, 10).map((r) => html`<p key=${r.id}><${State} is="bad">${r.version ? html`<${Version} of=${r.version} /> ` : ''}${r.outcome}<//></p>`)}
		<p><a href=${to('requests')}>All requests</a></p>
	</div>`;
}
